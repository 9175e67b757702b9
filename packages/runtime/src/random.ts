/** Randomness as an input, so that a simulation can be replayed from its seed. */
export interface Random {
  u32(): number;
  bytes(sizeBytes: number): Buffer;
  /** Uniform in [0, bound), bound ≥ 1. */
  below(bound: number): number;
}
