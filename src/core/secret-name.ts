/**
 * Whether no log should hold the values that go by this name, by the rule of `daybook.looks_secret()` in the database. A name in camelCase
 * is judged as SQL would spell it, too.
 */
export function looksSecret(name: string): boolean {
  const parted = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2')
  return [name, parted].some((spelled) => ANYWHERE.test(spelled) || AS_A_WORD.test(spelled))
}

const ANYWHERE =
  /passw|passphrase|passcode|pwd|secret|token|credential|(api|access|private|signing|encryption)[_-]?key|recovery[_-]?code|backup[_-]?code/i
const AS_A_WORD = /(^|[_-])(otp|totp|mfa|pin|cvv|cvc|salt)([_-]|$)/i
