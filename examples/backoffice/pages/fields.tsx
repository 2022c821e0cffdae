import type { Child } from 'hono/jsx'
import type { FieldErrors, Fields } from '../form.ts'

interface FieldProps {
  readonly name: string
  readonly label: string
  readonly fields: Fields
  readonly errors: FieldErrors
  readonly hint?: string
  readonly required?: boolean
}

interface FrameProps extends Omit<FieldProps, 'fields'> {
  readonly children: Child
}

function FieldFrame({ name, label, errors, hint, required, children }: FrameProps) {
  return (
    <div class={errors[name] ? 'field wrong' : 'field'}>
      <label for={name}>
        {label}
        {required === false && <span class="optional">optional</span>}
      </label>
      {children}
      {hint && (
        <p class="hint" id={`${name}-hint`}>
          {hint}
        </p>
      )}
      {errors[name] && (
        <p class="error" id={`${name}-error`}>
          {errors[name]}
        </p>
      )}
    </div>
  )
}

function describedBy({ name, errors, hint }: Pick<FieldProps, 'name' | 'errors' | 'hint'>) {
  return [hint && `${name}-hint`, errors[name] && `${name}-error`].filter(Boolean).join(' ') || undefined
}

export interface TextFieldProps extends FieldProps {
  readonly type?: 'text' | 'email' | 'password' | 'date' | 'tel'
  readonly inputmode?: 'decimal' | 'numeric'
  readonly autocomplete?: string
}

/** One line of text with its label, hint and what is wrong with it. */
export function TextField(props: TextFieldProps) {
  const { name, fields, errors, type = 'text', inputmode, autocomplete, required = true } = props
  return (
    <FieldFrame {...props}>
      <input
        id={name}
        name={name}
        type={type}
        value={type === 'password' ? undefined : fields[name]}
        inputmode={inputmode}
        autocomplete={autocomplete ?? 'off'}
        aria-required={required ? 'true' : undefined}
        aria-invalid={errors[name] ? 'true' : undefined}
        aria-describedby={describedBy(props)}
      />
    </FieldFrame>
  )
}

/** Several lines of text. */
export function TextArea(props: FieldProps & { readonly rows?: number }) {
  const { name, fields, errors, rows = 3 } = props
  return (
    <FieldFrame {...props}>
      <textarea
        id={name}
        name={name}
        rows={rows}
        aria-invalid={errors[name] ? 'true' : undefined}
        aria-describedby={describedBy(props)}
      >
        {fields[name]}
      </textarea>
    </FieldFrame>
  )
}

/** A choice among options, given as value and name. */
export function Choice(props: FieldProps & { readonly options: readonly (readonly [value: string, name: string])[] }) {
  const { name, fields, errors, options } = props
  return (
    <FieldFrame {...props}>
      <select
        id={name}
        name={name}
        aria-invalid={errors[name] ? 'true' : undefined}
        aria-describedby={describedBy(props)}
      >
        {options.map(([value, text]) => (
          <option value={value} selected={fields[name] === value}>
            {text}
          </option>
        ))}
      </select>
    </FieldFrame>
  )
}

/** A yes or no. */
export function Checkbox({ name, label, fields, hint }: Omit<FieldProps, 'errors'>) {
  return (
    <div class="field check">
      <input
        id={name}
        name={name}
        type="checkbox"
        value="yes"
        checked={fields[name] === 'yes'}
        aria-describedby={hint ? `${name}-hint` : undefined}
      />
      <label for={name}>{label}</label>
      {hint && (
        <p class="hint" id={`${name}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

/** Says on top of a form that something below has to be mended, or what is wrong with the form as a whole. */
export function FormErrors({ errors }: { readonly errors: FieldErrors }) {
  const number = Object.keys(errors).length
  if (number === 0) return null
  return (
    <p class="notice bad" role="alert">
      {errors.form ?? (number === 1 ? 'One field needs another look.' : `${number} fields need another look.`)}
    </p>
  )
}
