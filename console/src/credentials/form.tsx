import { Eye, EyeOff } from 'lucide-react'
import { useState } from 'react'
import { IconButton } from '../ui/button.tsx'
import { Select, TextField } from '../ui/field.tsx'
import type { Values } from './queries.ts'
import type { ValueField } from './schema.ts'

/** A form of a credential type's values. */
export function ValuesForm({
  fields,
  values,
  errors,
  onChange,
}: {
  fields: ValueField[]
  values: Values
  errors: Record<string, string>
  onChange: (values: Values) => void
}) {
  return fields.map(f => {
    const around = { label: f.title, hint: f.about, error: errors[f.name], required: f.required, value: values[f.name] ?? '' }
    const set = (v: string) => onChange({ ...values, [f.name]: v })
    if (f.choices)
      return (
        <Select key={f.name} {...around} onChange={e => set(e.target.value)}>
          {!f.choices.includes(f.fallback) && <option value="">{f.required ? 'Choose…' : 'Default'}</option>}
          {f.choices.map(c => (
            <option key={c}>{c}</option>
          ))}
        </Select>
      )
    if (f.secret) return <SecretField key={f.name} {...around} onChange={set} />
    return <TextField key={f.name} {...around} onChange={e => set(e.target.value)} />
  })
}

function SecretField({ onChange, ...rest }: { label: string; value: string; onChange: (v: string) => void }) {
  const [shown, setShown] = useState(false)
  return (
    <div className="relative">
      <TextField
        {...rest}
        type={shown ? 'text' : 'password'}
        autoComplete="new-password"
        className="pr-10"
        onChange={e => onChange(e.target.value)}
      />
      <IconButton
        label={shown ? 'Hide the value' : 'Show the value'}
        aria-pressed={shown}
        className="absolute top-6 right-1"
        onClick={() => setShown(!shown)}
      >
        {shown ? <EyeOff aria-hidden className="size-4" /> : <Eye aria-hidden className="size-4" />}
      </IconButton>
    </div>
  )
}
