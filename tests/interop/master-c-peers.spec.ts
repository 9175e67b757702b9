import { Lab } from '../harness/lab.js';

const HOSTS = { m1: '10.1.1.105', a: '10.1.1.1', b: '10.1.1.2', cl: '10.1.1.111' };

/** Our master with C chunkservers and a C client. */
describe('our master in a C cluster', () => {
  let lab: Lab;
  let dir: string;

  const client = async (...args: string[]): Promise<string> =>
    (await lab.on('cl', args[0] as string, args.slice(1))).stdout;

  beforeAll(async () => {
    lab = await Lab.create(HOSTS);
    await lab.master('m1', { name: 'master', config: { REPLICATIONS_DELAY_INIT: 0 } });
    for (const host of ['a', 'b']) await lab.chunkserver(host, lab.address('m1'), { implementation: 'c' });
    ({ dir } = await lab.mount('cl', lab.address('m1'), { implementation: 'c' }));
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  it('takes a tree of a C mount', async () => {
    await client('sh', '-c', `mkdir ${dir}/d && cp -r /usr/include/linux ${dir}/d/`);
    await client('diff', '-r', '/usr/include/linux', `${dir}/d/linux`);
  });
});
