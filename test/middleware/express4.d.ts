/** Express 4 under a name of its own. What the tests call of it has the shape that Express 5 has. */
declare module 'express4' {
  export { default } from 'express'
}
