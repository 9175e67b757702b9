/** To whoever runs the tool: standard output is for the result alone. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`);
