import type { Flow } from './queries.ts'

/** Chooses one flow, or all. One that is gone stays chosen, by its ID. */
export function FlowFilter({
  flow,
  flows,
  all = 'All flows',
  onChange,
}: {
  flow: string
  flows: Flow[]
  all?: string
  onChange: (flow: string) => void
}) {
  return (
    <select
      aria-label="Flow"
      value={flow}
      onChange={e => onChange(e.target.value)}
      className="h-9 max-w-52 rounded-lg border border-line-strong bg-surface px-2.5"
    >
      <option value="">{all}</option>
      {flows.map(f => (
        <option key={f.id} value={f.id}>
          {f.name || f.id}
        </option>
      ))}
      {flow && !flows.some(f => f.id === flow) && <option value={flow}>{flow}</option>}
    </select>
  )
}
