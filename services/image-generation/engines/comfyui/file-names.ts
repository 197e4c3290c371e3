/** What a request cannot hold: path separators, and what could be a tag elsewhere. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const UNUSABLE_NAME = /[:<>,\u0000-\u001f\u007f]|\.\./;

/**
 * From the names that callers use to the files of one of ComfyUI's lists: without folder and ending where that is
 * unambiguous, else with the folders, joined by dots. Names that no request may hold are left out.
 */
export function fileNames(files: readonly string[]): ReadonlyMap<string, string> {
  const stems = files.map((file) => partsOf(file).at(-1) ?? file);
  const counts = new Map<string, number>();
  for (const stem of stems) counts.set(stem, (counts.get(stem) ?? 0) + 1);
  const names = new Map<string, string>();
  files.forEach((file, index) => {
    const stem = stems[index] ?? file;
    const name = counts.get(stem) === 1 ? stem : partsOf(file).join('.');
    if (!UNUSABLE_NAME.test(name) && !names.has(name)) names.set(name, file);
  });
  return names;
}

/** Folders (of Linux or Windows) and the file's name without its ending. */
const partsOf = (file: string): string[] => file.replace(/\.[A-Za-z0-9]{1,12}$/, '').split(/[/\\]/);
