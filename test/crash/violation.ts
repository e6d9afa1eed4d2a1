/** A promise that was not kept. Anything else that is thrown is a defect too, of the engine or of the suite. */
export class Violation extends Error {
  override readonly name = 'Violation'
}
