import { InvalidArgumentError, Option } from 'commander'

/** For an option that can be repeated. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** For an option whose value is a whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < least || number > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    }
    return number
  }
}

/** How long a command goes on trying to get a table that another transaction holds. */
export function waitOption(): Option {
  return new Option('--wait <seconds>', 'how long to go on trying behind a long transaction; writers are not held up')
    .default(600)
    .argParser(wholeNumber(0, 86_400))
}
