export { piscinaThreads } from './store-threads.ts'
