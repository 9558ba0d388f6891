import { useQueries, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ArrowLeftRight, History } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { useOpened } from '../designer/open.ts'
import type { FlowDocument } from '../flow/document.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Select } from '../ui/field.tsx'
import { Empty, Loading, Problem } from '../ui/page.tsx'
import { ago } from '../ui/time.ts'
import { tell } from '../ui/toast.tsx'
import { Compare } from './compare.tsx'

interface Version {
  version: number
  publishedAt: string
  note?: string
  steps: number
}

const nameOf = (v: string) => (v === 'draft' ? 'Draft' : `Version ${v}`)

/** What was published of the flow; any two compared, and one made the draft again. */
export function VersionList() {
  const { draft, doc, flow } = useOpened()
  const id = encodeURIComponent(flow?.id ?? '')
  const search = useSearch({ strict: false }) as { a?: string; b?: string }
  const navigate = useNavigate()
  const [restoring, setRestoring] = useState<string>()
  const versions = useQuery({
    queryKey: ['versions', flow?.id, flow?.version],
    queryFn: async ({ signal }) => (await exact<{ items: Version[] }>('GET', `/flows/${id}/versions`, { signal })).data.items,
    enabled: flow !== null,
  })
  const list = versions.data ?? []
  const known = (v: string | undefined) => v !== undefined && (v === 'draft' || list.some(x => String(x.version) === v))
  const latest = String(list[0]?.version ?? 'draft')
  const b = known(search.b) ? search.b! : 'draft'
  const a = known(search.a) ? search.a! : latest
  const documents = useQueries({
    queries: [a, b].map(v => ({
      queryKey: ['version', flow?.id, v],
      queryFn: async () => (await exact<{ document: FlowDocument }>('GET', `/flows/${id}/versions/${v}`)).data.document,
      enabled: v !== 'draft' && list.length > 0,
      staleTime: Number.POSITIVE_INFINITY,
    })),
  })
  const [docA, docB] = [a, b].map((v, i) => (v === 'draft' ? doc : documents[i]?.data))
  const choose = (next: { a: string; b: string }) => void navigate({ search: next as never, replace: true })
  const error = documents.find(d => d.isError)?.error

  if (versions.isPending)
    return (
      <div className="p-4">
        <Loading />
      </div>
    )
  if (versions.isError)
    return (
      <div className="p-4">
        <Problem error={versions.error} retry={() => void versions.refetch()} />
      </div>
    )
  if (list.length === 0)
    return (
      <div className="mx-auto w-full max-w-3xl p-4">
        <Empty icon={<History />} title="Nothing is published yet">
          Publish the draft, and its first version stands here: to be compared with, and to go back to.
        </Empty>
      </div>
    )
  const entries = [
    { key: 'draft', before: latest },
    ...list.map((v, i) => ({ key: String(v.version), before: String(list[i + 1]?.version ?? v.version) })),
  ]
  return (
    <div className="grid min-h-0 flex-1 content-start gap-5 overflow-auto p-4 lg:grid-cols-[17rem_minmax(0,1fr)]">
      <nav aria-label="Versions" className="min-w-0">
        <ol className="flex gap-2 overflow-x-auto pb-1 lg:flex-col lg:overflow-visible">
          {entries.map(e => {
            const v = list.find(x => String(x.version) === e.key)
            const current = b === e.key
            return (
              <li key={e.key} className="shrink-0">
                <button
                  type="button"
                  aria-current={current || undefined}
                  onClick={() => choose({ a: e.before, b: e.key })}
                  className={`w-52 rounded-xl border px-3.5 py-2.5 text-left transition-colors hover:border-ink-3 lg:w-full ${current ? 'border-accent bg-accent-soft' : 'border-line bg-surface'}`}
                >
                  <span className="flex items-center justify-between gap-2">
                    <span className={`font-medium ${current ? 'text-accent-ink' : ''}`}>{nameOf(e.key)}</span>
                    {e.key === latest && (
                      <span className="rounded-full bg-good-soft px-2 py-px font-medium text-good text-xs">published</span>
                    )}
                  </span>
                  <span className="block truncate text-ink-2 text-xs">
                    {v ? (
                      <>
                        <time dateTime={v.publishedAt} title={new Date(v.publishedAt).toLocaleString()}>
                          {ago(v.publishedAt)}
                        </time>{' '}
                        · {v.steps} {v.steps === 1 ? 'step' : 'steps'}
                      </>
                    ) : flow?.hasDraft ? (
                      'not published yet'
                    ) : (
                      `as version ${latest}`
                    )}
                  </span>
                  {(v ? v.note : doc.note) && <span className="mt-0.5 line-clamp-2 block text-ink-2 text-xs">{v ? v.note : doc.note}</span>}
                </button>
              </li>
            )
          })}
        </ol>
      </nav>
      <section aria-label="Comparison" className="flex min-w-0 flex-col gap-4">
        <div className="flex flex-wrap items-end gap-2">
          <div className="w-32 sm:w-36">
            <Select label="From" value={a} onChange={e => choose({ a: e.target.value, b })}>
              {entries.map(e => (
                <option key={e.key} value={e.key}>
                  {nameOf(e.key)}
                </option>
              ))}
            </Select>
          </div>
          <IconButton label="Swap" className="mb-0.5" onClick={() => choose({ a: b, b: a })}>
            <ArrowLeftRight aria-hidden className="size-4" />
          </IconButton>
          <div className="w-32 sm:w-36">
            <Select label="To" value={b} onChange={e => choose({ a, b: e.target.value })}>
              {entries.map(e => (
                <option key={e.key} value={e.key}>
                  {nameOf(e.key)}
                </option>
              ))}
            </Select>
          </div>
          {[...new Set([b, a])]
            .filter(v => v !== 'draft')
            .slice(0, 1)
            .map(v => (
              <Button key={v} className="ml-auto" icon={<History aria-hidden className="size-4" />} onClick={() => setRestoring(v)}>
                Restore version {v} as draft
              </Button>
            ))}
        </div>
        {error ? <Problem error={error} /> : docA && docB ? <Compare a={docA} b={docB} names={[nameOf(a), nameOf(b)]} /> : <Loading />}
      </section>
      {restoring && (
        <Dialog
          title={`Restore version ${restoring} as draft?`}
          onClose={() => setRestoring(undefined)}
          actions={
            <>
              <Button onClick={() => setRestoring(undefined)}>Cancel</Button>
              <Button
                look="primary"
                onClick={() => {
                  const document = restoring === a ? docA : docB
                  setRestoring(undefined)
                  if (!document) return
                  draft.edit(`Restore version ${restoring}`, d => ({ ...document, id: d.id }))
                  tell(`The draft says what version ${restoring} says`, { label: 'Undo', run: draft.undo })
                }}
              >
                Restore
              </Button>
            </>
          }
        >
          <p className="text-ink-2">
            The draft will say what version {restoring} says. What runs stays as it is until you publish, and Undo brings back what the
            draft says now.
          </p>
        </Dialog>
      )}
    </div>
  )
}
