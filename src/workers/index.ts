/** Threads for the parts of a store. */
export { piscinaThreads } from './store-threads.ts'
