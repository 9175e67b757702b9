/** Charts (spec 11 §5): no history is kept, so every chart is known and empty. */
import {
  ANTOCL_CHART,
  ANTOCL_CHART_DATA,
  ANTOCL_MONOTONIC_DATA,
  CLTOAN_CHART,
  CLTOAN_CHART_DATA,
  CLTOAN_MONOTONIC_DATA,
} from '@wapiti-fs/protocol';

import { on } from './request.js';

/** Direct series of a master. */
const SERIES = 38;
/** One transparent pixel, as the reference answers for a chart it does not have. */
const NO_PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);
const NO_VALUES = Buffer.alloc(0);

export const CHART_REQUESTS = [
  on(CLTOAN_CHART_DATA, () => ANTOCL_CHART_DATA.encode({ data: NO_VALUES })),
  on(CLTOAN_CHART, () => ANTOCL_CHART.encode({ png: NO_PICTURE })),
  on(CLTOAN_MONOTONIC_DATA, () =>
    ANTOCL_MONOTONIC_DATA.encode({ values: new Array<number>(SERIES).fill(0), rest: NO_VALUES }),
  ),
];
