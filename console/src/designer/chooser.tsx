import { Search } from 'lucide-react'
import { useState } from 'react'
import { TextField } from '../ui/field.tsx'
import { Loading, Problem } from '../ui/page.tsx'
import { type Hit, search, useConnectors } from './components.ts'
import { ComponentIcon } from './icons.tsx'

/** Finds a component by what one types; Enter takes the first, arrows go through them. */
export function Chooser({
  trigger = false,
  onChoose,
  onRouter,
}: {
  trigger?: boolean
  onChoose: (hit: Hit) => void
  /** Offers a router besides the components. */
  onRouter?: () => void
}) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const connectors = useConnectors()
  if (connectors.isPending) return <Loading />
  if (connectors.isError) return <Problem error={connectors.error} retry={() => void connectors.refetch()} />
  const hits = search(connectors.data, text, trigger)
  const router =
    onRouter &&
    text
      .toLowerCase()
      .split(/\s+/)
      .every(w => 'router branch condition if else switch'.includes(w))
  const chosen = Math.min(at, hits.length - 1)
  return (
    <div className="flex flex-col gap-4">
      <div className="relative">
        <TextField
          label="Search components"
          type="search"
          autoFocus
          placeholder={trigger ? 'webhook' : 'petstore, http, delay, slack…'}
          value={text}
          className="pl-9"
          onChange={e => {
            setText(e.target.value)
            setAt(0)
          }}
          onKeyDown={e => {
            if (e.key === 'ArrowDown') setAt(Math.min(chosen + 1, hits.length - 1))
            else if (e.key === 'ArrowUp') setAt(Math.max(chosen - 1, 0))
            else if (e.key === 'Enter' && router && text.trim() && at === 0) onRouter()
            else if (e.key === 'Enter' && hits[chosen]) onChoose(hits[chosen])
            else return
            e.preventDefault()
          }}
        />
        <Search aria-hidden className="pointer-events-none absolute bottom-2.5 left-3 size-4 text-ink-3" />
      </div>
      <ul className="flex flex-col gap-1.5">
        {router && (
          <li
            className={`relative flex items-center gap-3 rounded-xl border bg-surface p-3 hover:border-accent ${text && at === 0 ? 'border-accent' : 'border-line'}`}
          >
            <ComponentIcon uses="router" />
            <span className="min-w-0 flex-1">
              <span className="block font-medium">Router</span>
              <span className="line-clamp-2 text-[0.8125rem] text-ink-3">
                Branches with a condition each: every one that holds runs, and one where none does.
              </span>
            </span>
            <button type="button" className={choose} onClick={onRouter}>
              Choose Router
            </button>
          </li>
        )}
        {hits.map((h, i) => (
          <li
            key={h.component.name}
            ref={el => {
              if (i === chosen && at > 0) el?.scrollIntoView({ block: 'nearest' })
            }}
            className={`relative flex items-center gap-3 rounded-xl border bg-surface p-3 hover:border-accent ${i === chosen && text && !(router && at === 0) ? 'border-accent' : 'border-line'}`}
          >
            <ComponentIcon uses={trigger ? h.connector.name : h.component.name} title={h.connector.title} />
            <span className="min-w-0 flex-1">
              <span className="block font-medium">{h.title}</span>
              <span className="line-clamp-2 text-[0.8125rem] text-ink-3">{h.about}</span>
            </span>
            <button type="button" className={choose} onClick={() => onChoose(h)}>
              Choose {h.title}
            </button>
          </li>
        ))}
      </ul>
      {hits.length === 0 && !router && (
        <p className="text-ink-3">No component has that name. Try another word, or import its OpenAPI document under Components.</p>
      )}
    </div>
  )
}

const choose =
  'whitespace-nowrap rounded-lg bg-accent-soft px-3 py-1.5 font-medium text-[0.8125rem] text-accent-ink after:absolute after:inset-0 after:rounded-xl hover:bg-accent hover:text-on-accent'
