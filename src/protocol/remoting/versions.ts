/**
 * Versions of peers: ordinals of Apache RocketMQ's own list of versions, two for each release.
 *
 * Only ordinals at which the protocol changes stand here, each with what changes.
 */

/** 5.3.3: what Varve says it is. Java refuses SQL92 subscriptions to a broker that says less than 4.1 (232). */
export const OWN_VERSION = 479

/** From here on a client's `maxReconsumeTimes` counts when it sends to a retry topic. 3.4.9. */
export const VERSION_MAX_RECONSUME_TIMES = 121
/** From here on a client answers requests to run one message directly (309) or to tell its state (307). 3.1.8. */
export const VERSION_CONSUMER_STATUS = 62
/** From here on a client can be told to reset its offsets (220). 3.0.7. */
export const VERSION_RESET_OFFSET = 28
/** From here on a reader of routes wants standard JSON. 4.9.4. */
export const VERSION_STANDARD_JSON = 401
/** Up to here a signature leaves `_UNIQUE_KEY_QUERY` out. 4.9.3. */
export const VERSION_UNSIGNED_UNIQUE_KEY_QUERY = 399
/** Above it a client understands GO_AWAY (1500). 5.3.1. */
export const VERSION_GO_AWAY_ABOVE = 475
