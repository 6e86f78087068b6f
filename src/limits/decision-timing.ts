/** Decisions that are all timed at first: the first ones are the slowest and stand for no others. */
const ALWAYS_TIMED = 64;
/** Then one of so many. */
const TIMED_OF = 16;

/**
 * Which of the decisions made at once are timed. A clock read costs a good part of such a decision, so one in 16 is
 * timed and stands for the 15 after it: count and sum of `headgate_limit_decision_duration_seconds` speak of all
 * decisions, the sum from a sixteenth of them. What waits for a store is always timed.
 */
export class DecisionTiming {
  /** Duration of the decision last timed. */
  lastMs = 0;
  private first = ALWAYS_TIMED;
  private untimed = 0;

  /** Asked once per decision; true: this one is to be timed. */
  isDue(): boolean {
    if (this.untimed > 0) {
      this.untimed--;
      return false;
    }
    if (this.first > 0) this.first--;
    else this.untimed = TIMED_OF - 1;
    return true;
  }
}
