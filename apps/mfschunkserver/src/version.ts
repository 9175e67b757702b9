/** What peers are told: the release whose protocol is spoken (spec 03 §3). */
export const VERSION = 0x000300ea;
export const VERSION_TEXT = '3.0.117-1';
