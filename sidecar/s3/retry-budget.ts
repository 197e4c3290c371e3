/**
 * Token bucket shared by all calls of one store: when most calls fail, it runs dry and retries stop, so that retries
 * cannot multiply the load on a store in trouble. Sizes are those of the AWS SDK for JavaScript v3 (standard mode).
 */
export interface RetryBudget {
  /** Takes the tokens for one retry; false when too few are left. */
  take(tokens: number): boolean;
  /** Gives tokens back after a success. */
  give(tokens: number): void;
}

export const RETRY_BUDGET_TOKENS = 500;
export const RETRY_COST_TOKENS = 14;
export const THROTTLED_RETRY_COST_TOKENS = 5;

/** A full bucket of `capacity` tokens. */
export function createRetryBudget(capacity = RETRY_BUDGET_TOKENS): RetryBudget {
  let left = capacity;
  return {
    take(tokens) {
      if (left < tokens) return false;
      left -= tokens;
      return true;
    },
    give(tokens) {
      left = Math.min(capacity, left + tokens);
    },
  };
}
