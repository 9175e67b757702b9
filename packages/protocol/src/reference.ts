import { allMessages } from './message.js';
import { allStatuses } from './status.js';

/** The reference page of all messages and statuses (Markdown), from their declarations. */
export function referencePage(): string {
  const lines = [
    '# Protocol reference',
    '',
    'Made from the declarations in `packages/protocol/src/messages`: run `pnpm --filter @wapiti-fs/protocol docs` after a change.',
    'Every message is `u32 type, u32 length` and the payload below; integers are big-endian. `[x]` is present only if bytes are left.',
    '',
    '## Messages',
    '',
    '| no. | name | from → to | payload | section | |',
    '|---|---|---|---|---|---|',
  ];
  for (const one of [...allMessages()].sort((a, b) => a.type - b.type)) {
    lines.push(
      `| ${one.type} | ${one.name} | ${one.from} → ${one.to} | ${one.doc || 'empty'} | ${one.spec} | ${one.summary ?? ''} |`,
    );
  }
  lines.push('', '## Statuses', '', '| no. | name | text | errno | in the meta mount |', '|---|---|---|---|---|');
  for (const info of allStatuses())
    lines.push(`| ${info.status} | ${info.name} | ${info.text} | ${info.errnoName} | ${info.metaErrnoName} |`);
  return `${lines.join('\n')}\n`;
}
