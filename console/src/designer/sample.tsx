import { useEffect, useState } from 'react'
import { exact } from '../api/client.ts'
import { setAt } from '../flow/edit.ts'
import { type Json, parseJSON, printJSON } from '../flow/exact.ts'
import { TRIGGER } from '../flow/graph.ts'
import { Button, Spinner } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { TextArea } from '../ui/field.tsx'
import { Problem } from '../ui/page.tsx'
import type { Draft } from './draft.ts'

/** A trigger's sample: written, sent by the sender itself, made up, or skipped. */
export function TriggerSample({ draft, sample, next }: { draft: Draft; sample?: Json; next: () => void }) {
  const [text, setText] = useState<string | null>(sample === undefined ? null : printJSON(sample, 2))
  const [waiting, setWaiting] = useState(false)
  let fault = ''
  let value: Json = null
  try {
    if (text !== null) value = parseJSON(text)
  } catch (e) {
    const j = e as { line: number; column: number; message: string }
    fault = `Line ${j.line}, column ${j.column}: ${j.message}`
  }
  if (waiting)
    return (
      <SentSample
        draft={draft}
        onSample={v => {
          setWaiting(false)
          setText(printJSON(v, 2))
        }}
        onClose={() => setWaiting(false)}
      />
    )
  if (text === null)
    return (
      <div className="flex flex-wrap gap-2">
        <Button look="primary" onClick={() => setText('')}>
          Add sample manually
        </Button>
        <Button onClick={() => setWaiting(true)}>Send sample request</Button>
        <Button onClick={() => setText(printJSON({ id: 1, name: 'Example', status: 'new' }, 2))}>Generate sample</Button>
        <Button look="quiet" onClick={next}>
          Skip
        </Button>
      </div>
    )
  return (
    <>
      <TextArea
        label="Sample"
        autoFocus
        rows={12}
        className="font-mono"
        value={text}
        error={text.trim() ? fault : ''}
        hint="JSON, as senders will send it"
        onChange={e => setText(e.target.value)}
      />
      <div>
        <Button
          look="primary"
          disabled={fault !== ''}
          onClick={() => {
            draft.edit('Sample', setAt(TRIGGER, 'sample', value))
            next()
          }}
        >
          Save
        </Button>
      </div>
    </>
  )
}

interface SampleURL {
  token: string
  url: string
  expiresAt: string
  status: 'waiting' | 'received' | 'expired'
  sample?: { data: Json }
}

/** Makes a URL that takes one request, and waits until it has come. */
function SentSample({ draft, onSample, onClose }: { draft: Draft; onSample: (v: Json) => void; onClose: () => void }) {
  const [at, setAt] = useState<SampleURL>()
  const [error, setError] = useState<unknown>()
  // biome-ignore lint/correctness/useExhaustiveDependencies: one URL for as long as this is shown
  useEffect(() => {
    const ended = new AbortController()
    const ask = async () => {
      await draft.save()
      const flow = encodeURIComponent(draft.get().flow?.id ?? '')
      let now = (await exact<SampleURL>('POST', `/flows/${flow}/samples`, { signal: ended.signal })).data
      while (!ended.signal.aborted) {
        setAt(now)
        if (now.status === 'received' && now.sample) return onSample(now.sample.data)
        if (now.status === 'expired') return
        await new Promise(r => setTimeout(r, 700))
        now = (await exact<SampleURL>('GET', `/flows/${flow}/samples/${now.token}`, { signal: ended.signal })).data
      }
    }
    ask().catch(e => !ended.signal.aborted && setError(e))
    return () => ended.abort()
  }, [])
  if (error) return <Problem error={error} retry={onClose} />
  if (!at) return <Spinner />
  return (
    <div className="flex flex-col gap-3 rounded-xl border border-line bg-page p-4">
      <p className="text-ink-2">
        {at.status === 'expired'
          ? 'This URL was good for 10 minutes. Ask for another one.'
          : 'Send one request to this URL, from the system that will call the flow or from anywhere. It is good for 10 minutes and makes no execution.'}
      </p>
      <code className="break-all rounded-lg bg-sunken px-3 py-2">{at.url}</code>
      <div className="flex flex-wrap items-center gap-2">
        <CopyButton text={at.url} name="sample URL" label="Copy URL" />
        <Button look="quiet" onClick={onClose}>
          Cancel
        </Button>
        {at.status === 'waiting' && (
          <span role="status" className="flex items-center gap-2 text-ink-3">
            <Spinner /> Waiting for the request
          </span>
        )}
      </div>
    </div>
  )
}
