/** `npm run build && node dist/deploy/dev/write-generated.js`: writes the files that are made from code or data. */
import { readFileSync, writeFileSync } from 'node:fs';
import { generatedFiles } from './generated-files.ts';

for (const [path, text] of Object.entries(generatedFiles((source) => readFileSync(source, 'utf8')))) {
  writeFileSync(path, text);
}
