/** The test's own routes, in the same process: see next.middleware.ts. */
export const routes = () => globalThis.contract.routes
