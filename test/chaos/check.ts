/** The final check, a program of its own: `node check.js <ledger> <folder of objects>`. Prints JSON; exits 1 for a fault. */
import { checkLedger } from './check-ledger.ts';

const [ledgerFile = '', directory = ''] = process.argv.slice(2);
const report = await checkLedger(ledgerFile, directory);
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = report.lost.length + report.corrupt.length === 0 ? 0 : 1;
