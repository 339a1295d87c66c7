// Turns a documentation block into a module that checks itself: a comment `// => value` after a statement becomes
// an assertion on the statement's value. Pure: text in, text out.
import { parseSync } from "oxc-parser";

/** The module that the blocks take their assertion from. */
export const ASSERTION_MODULE = `import { inspect, isDeepStrictEqual } from "node:util";

export function same(actual: unknown, expected: unknown, line: number): void {
  const options = { skipPrototype: true } as unknown as undefined;
  if ((isDeepStrictEqual as (a: unknown, b: unknown, options?: object) => boolean)(actual, expected, options)) return;
  throw new Error(\`line \${line}: the page says \${inspect(expected)}, the code gives \${inspect(actual)}\`);
}
`;

/**
 * The module for one block. Its code keeps the lines that it has on the page, so that a message points there.
 *
 * Understood: `expression; // => value`, `console.log(expression); // => value`, `const name = …; // => value`.
 *
 * @param {{ code: string, line: number }} block
 */
export function toModule({ code, line }) {
  const { program, comments, errors } = parseSync("block.ts", code);
  if (errors.length > 0) throw new SyntaxError(`line ${line}: ${errors[0].message}`);
  const statements = statementsIn(program);
  let rewritten = "";
  let from = 0;
  for (const comment of comments) {
    const expected = comment.type === "Line" ? /^\s*=>\s*(.*?)\s*$/.exec(comment.value)?.[1] : undefined;
    if (expected === undefined) continue;
    const at = line + code.slice(0, comment.start).split("\n").length - 1;
    const statement = statements.find(
      ({ start, end }) => start >= from && end <= comment.start && /^[ \t;]*$/.test(code.slice(end, comment.start)),
    );
    if (!statement) throw new SyntaxError(`line ${at}: no expression or declaration stands before this "// =>"`);
    if (parseSync("value.ts", `(${expected})`).errors.length > 0) {
      throw new SyntaxError(`line ${at}: "${expected}" is not a value; write a JavaScript literal after "// =>"`);
    }
    rewritten += code.slice(from, statement.start) + assertion(statement, code, expected, at);
    from = statement.end;
  }
  rewritten += code.slice(from);
  return `import { same as $same } from "./assertion.ts";${"\n".repeat(line - 1)}${rewritten}`;
}

function assertion(statement, code, expected, line) {
  const text = (node) => code.slice(node.start, node.end);
  const call = (actual) => `$same((${actual}), (${expected}), ${line});`;
  if (statement.type === "VariableDeclaration") return `${text(statement)} ${call(statement.declarations[0].id.name)}`;
  const { expression } = statement;
  const logged = expression.type === "CallExpression" && text(expression.callee) === "console.log";
  return call(text(logged && expression.arguments.length === 1 ? expression.arguments[0] : expression));
}

/** Every statement, however deep, that has one value: expressions, and declarations of one plain name. */
function statementsIn(program) {
  const found = [];
  const visit = (node) => {
    if (node === null || typeof node !== "object") return;
    if (Array.isArray(node)) return node.forEach(visit);
    if (node.type === "ExpressionStatement") found.push(node);
    if (node.type === "VariableDeclaration" && node.declarations.length === 1) {
      if (node.declarations[0].id.type === "Identifier" && node.declarations[0].init) found.push(node);
    }
    for (const value of Object.values(node)) visit(value);
  };
  visit(program.body);
  return found;
}
