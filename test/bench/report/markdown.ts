/** The report as Markdown, to be put into the README as it is. */
import type { BenchReport, Report } from './report.ts';
import { HEADER, rowOf } from './table.ts';

export function markdownReport({ machine, benches }: Report): string {
  const facts = Object.entries(machine).map(([name, value]) => `- ${name}: ${factText(name, value)}`);
  return `${['<!-- Generated: npm run bench -- --markdown -->', facts.join('\n'), ...benches.map(benchMarkdown)].join('\n\n')}\n`;
}

const factText = (name: string, value: string): string =>
  name === 'command' ? `\`${value}\`` : escape(value);

function benchMarkdown({ name, title, leavesOut, figures, skipped }: BenchReport): string {
  const head = `**${escape(title)}** (\`${name}\`)`;
  if (skipped !== undefined) return `${head}: skipped, ${escape(skipped)}`;
  const lines = [HEADER, HEADER.map(() => '---'), ...figures.map(rowOf)].map(
    (cells) => `| ${cells.map(escape).join(' | ')} |`,
  );
  return `${head}\n\n${lines.join('\n')}\n\nLeaves out: ${escape(leavesOut)}`;
}

/** What Markdown would take for a column's end, a tag or emphasis. */
const escape = (text: string): string => text.replaceAll(/[|<*_]/g, (found) => `\\${found}`);
