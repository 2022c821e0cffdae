/** Older versions under names of their own. What the tests call of them has the shape that the newest has. */
declare module 'express4' {
  export { default } from 'express'
}
declare module 'koa2' {
  export { default } from 'koa'
}
