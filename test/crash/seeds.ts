/** Seeds that have found a defect once, by scenario: they run first, each time. What each found stands beside it. */
export const knownSeeds: Readonly<Record<string, readonly number[]>> = {
  power: [
    4, // A new index file could not be opened, and the one before was closed twice.
    9, // Clearing the last page of a queue file made the file longer, and the next start refused it.
    10, // The same with synchronous flush.
    5007, // Segments behind the end were removed first to last, and the power failed in between: one was missing.
    6017 // Queues made since the queue table was saved kept entries of records that the log had lost.
  ],
  faults: [
    3, // A start that failed left the mark of another owner, and torn queue entries were believed.
    12, // Not mapped: an append whose write failed had taken its queue offset.
    30, // A full disk while the state was saved ended the store.
    31 // The same while the index was published.
  ],
  kill: [
    2875972141 // Not mapped, a process killed within one write left half of a batch. Time has a say in this one.
  ],
  damage: [
    2722544662, // After a crash, a newest index file of the wrong size was passed over, and no store opened with it.
    2201810575, // A record had a queue number that no queue can have, and no store opened with it.
    2201810621, // The same with the name of a topic.
    3570314549, // A store time had rotted into a later one, and behind the next damaged record nothing was looked for.
    2201810642 // Verification ended with an assertion at a queue offset too large for a file's name.
  ],
  'full-disk': [
    2722544650 // Not mapped, what had been written of a refused message stood behind the end of the log.
  ],
  'damage-broker': [
    1, // A checkpoint of the timer that was no checkpoint held the broker up for ever.
    3 // Counts that nothing depends on kept the broker from starting.
  ],
  rot: [
    10, // The place of a damaged record hid all messages of the queue before it.
    20
  ]
}
