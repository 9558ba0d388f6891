import { useState } from 'react'
import { TextField } from '../ui/field.tsx'
import { Loading, Problem } from '../ui/page.tsx'
import { type Hit, search, useConnectors } from './components.ts'

/** Finds a component by what one types. */
export function Chooser({ trigger = false, onChoose }: { trigger?: boolean; onChoose: (hit: Hit) => void }) {
  const [text, setText] = useState('')
  const connectors = useConnectors()
  if (connectors.isPending) return <Loading />
  if (connectors.isError) return <Problem error={connectors.error} retry={() => void connectors.refetch()} />
  const hits = search(connectors.data, text, trigger)
  return (
    <div className="flex flex-col gap-3">
      <TextField
        label="Search components"
        type="search"
        autoFocus
        placeholder={trigger ? 'webhook' : 'petstore'}
        value={text}
        onChange={e => setText(e.target.value)}
        onKeyDown={e => e.key === 'Enter' && hits[0] && onChoose(hits[0])}
      />
      <ul className="flex flex-col gap-2">
        {hits.map(h => (
          <li key={h.connector.name} className="flex items-center gap-3 rounded-xl border border-line bg-surface p-3.5">
            <span className="min-w-0 flex-1">
              <span className="block font-medium">{h.connector.title}</span>
              <span className="block text-ink-3 text-xs">{h.connector.summary ?? h.component.title}</span>
            </span>
            <button type="button" className="rounded-lg bg-accent-soft px-3 py-1.5 font-medium text-accent-ink" onClick={() => onChoose(h)}>
              Choose {h.connector.title}
            </button>
          </li>
        ))}
      </ul>
      {hits.length === 0 && <p className="text-ink-3">No component has that name. Try another word.</p>}
    </div>
  )
}
