import fc from 'fast-check'

/**
 * fast-check with one seed, so that a run of the tests tries what the run before it tried, and a failure comes of a change.
 * `DAYBOOK_PROPERTY_SEED` takes another seed, or `random` to look for what nobody has tried yet: a failure prints its seed.
 */
const seed = process.env.DAYBOOK_PROPERTY_SEED ?? '20240229'
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) })

export default fc
