import { Download, FileIcon } from 'lucide-react'
import { useState } from 'react'
import { printJSON } from '../flow/exact.ts'
import { LargeBody } from '../payload/large.tsx'
import { PayloadTree } from '../payload/tree.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Card } from '../ui/page.tsx'
import { bytes } from '../ui/time.ts'
import type { ExecutionDetail, Hook } from './types.ts'

const bodyText = (h: Hook) => (typeof h.body === 'string' ? h.body : printJSON(h.body))

/** The request as it was on the wire, as far as it is kept. */
export function rawRequest(h: Hook): string {
  const headers = Object.entries(h.headers).map(([k, v]) => `${k}: ${v}`)
  if (h.contentType && !h.headers['content-type']) headers.unshift(`content-type: ${h.contentType}`)
  const body = h.bodyEncoding === 'base64' ? `(${bytes(h.bodySize)} that are no text)` : h.body === null ? '' : bodyText(h)
  return `${h.method} ${h.path}${h.query ? `?${h.query}` : ''} HTTP/1.1\n${headers.join('\n')}\n\n${body}`
}

/** The request that an execution began with: as a tree, as it came, and its files. */
export function Request({ x }: { x: ExecutionDetail }) {
  const [raw, setRaw] = useState(false)
  const h = x.hook
  if (!h) return <Card className="px-4 py-6 text-ink-3">The request is not on record any more: history is kept for 30 days.</Card>
  const apart = h.body === null && h.bodySize > 4
  return (
    <Card className="min-w-0 overflow-hidden">
      <header className="flex flex-wrap items-start justify-between gap-2 border-line border-b px-4 py-3">
        <div className="min-w-0">
          <h2 className="font-semibold">Request</h2>
          <p className="break-all font-mono text-ink-2 text-xs">
            {h.method} {h.path}
            {h.query ? `?${h.query}` : ''}
          </p>
        </div>
        <div className="flex items-center gap-2">
          <fieldset className="flex rounded-lg border border-line-strong p-0.5" aria-label="View of the request">
            {[
              [false, 'Tree'],
              [true, 'Raw'],
            ].map(([v, label]) => (
              <button
                key={String(label)}
                type="button"
                aria-pressed={raw === v}
                onClick={() => setRaw(v as boolean)}
                className={`h-6 rounded-md px-2 text-[0.8125rem] ${raw === v ? 'bg-accent-soft font-medium text-accent-ink' : 'text-ink-2 hover:text-ink'}`}
              >
                {label}
              </button>
            ))}
          </fieldset>
          <a
            href={h.bodyUrl}
            download
            className="inline-flex h-7 items-center gap-1.5 rounded-lg border border-line-strong px-2.5 text-[0.8125rem] shadow-card hover:bg-hover"
          >
            <Download aria-hidden className="size-3.5" /> Body
          </a>
        </div>
      </header>
      <div className="flex flex-col gap-4 p-4">
        {raw ? (
          <div className="relative min-w-0">
            <section aria-label="Raw request">
              <pre
                // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard
                tabIndex={0}
                className="max-h-[32rem] overflow-auto whitespace-pre-wrap break-all rounded-lg bg-sunken px-3 py-2 text-xs"
              >
                {rawRequest(h).slice(0, 200_000)}
              </pre>
            </section>
            <span className="absolute top-1 right-1">
              <CopyButton text={() => rawRequest(h)} name="raw request" />
            </span>
          </div>
        ) : (
          <>
            <details>
              <summary className="text-ink-2">{Object.keys(h.headers).length} headers</summary>
              <dl className="mt-2 grid grid-cols-[minmax(6rem,auto)_1fr] gap-x-4 gap-y-1 font-mono text-xs">
                {Object.entries(h.headers).map(([k, v]) => (
                  <div key={k} className="contents">
                    <dt className="text-ink-3">{k}</dt>
                    <dd className="break-all">{v}</dd>
                  </div>
                ))}
              </dl>
            </details>
            <div className="flex flex-col gap-2">
              <p className="text-ink-3 text-xs">
                {h.contentType || 'no content type'} · {bytes(h.bodySize)}
                {h.bodyEncoding && ' · not text: shown as base64'}
              </p>
              {apart ? (
                <LargeBody url={h.bodyUrl} size={h.bodySize} name="body" />
              ) : (
                <PayloadTree value={h.body} name="body" height={420} />
              )}
            </div>
          </>
        )}
        {h.files.length > 0 && (
          <section aria-label="Files">
            <h3 className="mb-1.5 font-medium text-ink-2 text-xs">{h.files.length === 1 ? 'File' : `${h.files.length} files`}</h3>
            <ul className="flex flex-col gap-1.5">
              {h.files.map(f => (
                <li key={f.url} className="flex items-center gap-3 rounded-lg border border-line px-3 py-2">
                  <FileIcon aria-hidden className="size-4 shrink-0 text-ink-3" />
                  <span className="min-w-0 flex-1">
                    <span className="block truncate">{f.name || f.field || 'file'}</span>
                    <span className="block truncate text-ink-3 text-xs" title={f.sha256}>
                      {f.contentType || 'no type'} · {bytes(f.size)}
                    </span>
                  </span>
                  <a
                    href={f.url}
                    download={f.name || true}
                    aria-label={`Download ${f.name || 'the file'}`}
                    className="rounded-lg p-2 text-accent-ink hover:bg-hover"
                  >
                    <Download aria-hidden className="size-4" />
                  </a>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </Card>
  )
}
