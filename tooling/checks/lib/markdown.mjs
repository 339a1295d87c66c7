// Reads what the checks need from Markdown: fenced blocks, links, anchors. Pure: text in, lists out.

/**
 * The fenced blocks, each with its info string and the number of its first line of code.
 *
 * @returns {{ info: string, line: number, code: string }[]}
 */
export function fencedBlocks(markdown) {
  const blocks = [];
  let open;
  for (const [index, text] of markdown.split("\n").entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*(.*?)\s*$/.exec(text);
    if (!open && fence && !fence[3].includes("`")) {
      open = { indent: fence[1].length, mark: fence[2], info: fence[3], line: index + 2, lines: [] };
    } else if (open && fence && fence[3] === "" && fence[2].startsWith(open.mark)) {
      blocks.push({ info: open.info, line: open.line, code: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else if (open) {
      open.lines.push(text.slice(Math.min(open.indent, text.length - text.trimStart().length)));
    }
  }
  if (open) throw new SyntaxError(`line ${open.line - 1}: this block is not closed`);
  return blocks;
}

/** The same text with its fenced blocks blank, so that what follows keeps its line. */
function prose(markdown) {
  const lines = markdown.split("\n");
  for (const { line, code } of fencedBlocks(markdown)) {
    const end = line + code.split("\n").length - 1;
    for (let at = line - 1; at <= end; at += 1) lines[at - 1] = "";
  }
  return lines;
}

/** The targets of all links and images outside code, with their lines. */
export function links(markdown) {
  const found = [];
  for (const [index, text] of prose(markdown).entries()) {
    const plain = text.replace(/(`+)(?!`).*?[^`]\1(?!`)/g, (code) => " ".repeat(code.length));
    for (const match of plain.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\s*\[[^\]]+\]:\s*<?([^\s>]+)/g)) {
      found.push({ target: match[1] ?? match[2], line: index + 1 });
    }
  }
  return found;
}

/** The anchors that headings (and explicit ids) give, the way repository hosts make them. */
export function anchors(markdown) {
  const found = new Set();
  for (const text of prose(markdown)) {
    for (const [, id] of text.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) found.add(id);
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const slug = heading
      .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
      .replaceAll(" ", "-");
    let unique = slug;
    for (let copy = 1; found.has(unique); copy += 1) unique = `${slug}-${copy}`;
    found.add(unique);
  }
  return found;
}
