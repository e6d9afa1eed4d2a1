/** Seeds that have found a defect once, by scenario: they run first, each time. What each found stands beside it. */
export const knownSeeds: Readonly<Record<string, readonly number[]>> = {}
