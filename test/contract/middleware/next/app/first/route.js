export const dynamic = 'force-dynamic'

/** The application of its own process: see next-application.ts. */
export async function POST(request, about) {
  const { pay } = await import(/* webpackIgnore: true */ process.env.CONTRACT_APPLICATION)
  return pay(request, about)
}
