import 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the library that this project tries. */
    readonly version: string
  }
}
