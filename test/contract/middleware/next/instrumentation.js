/** Next.js calls this once, ahead of the first request. */
export async function register() {
  if (process.env.CONTRACT_INSTRUMENTED) await import(/* webpackIgnore: true */ process.env.CONTRACT_APPLICATION)
}
