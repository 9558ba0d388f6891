import { useMutation, useQueryClient } from '@tanstack/react-query'
import { FileUp } from 'lucide-react'
import { useRef, useState } from 'react'
import { exact } from '../api/client.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Problem } from '../ui/page.tsx'
import type { Imported } from './queries.ts'

/** Makes a connector of an OpenAPI document: a file, or the address of one. */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const [url, setUrl] = useState('')
  const [file, setFile] = useState<File>()
  const [name, setName] = useState('')
  const [baseUrl, setBaseUrl] = useState('')
  const input = useRef<HTMLInputElement>(null)
  const client = useQueryClient()
  const make = useMutation({
    mutationFn: async () => {
      const body = { name: name || undefined, baseUrl: baseUrl || undefined }
      const sent = file ? { ...body, document: await file.text() } : { ...body, url }
      return (await exact<Imported>('POST', '/components/import', { raw: JSON.stringify(sent) })).data
    },
    onSuccess: () => void client.invalidateQueries({ queryKey: ['connectors'] }),
  })
  if (make.data) return <ImportedDialog imported={make.data} onClose={onClose} />
  const ready = !!file || /^https?:\/\/./.test(url)
  return (
    <Dialog
      title="Import an OpenAPI document"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" disabled={!ready} busy={make.isPending} onClick={() => make.mutate()}>
            Import
          </Button>
        </>
      }
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={e => {
          e.preventDefault()
          if (ready && !make.isPending) make.mutate()
        }}
      >
        <p className="text-ink-2">
          OpenAPI 3.0 or 3.1, as JSON or YAML. Each operation becomes an action, each security scheme a credential type.
        </p>
        <input
          ref={input}
          type="file"
          accept=".json,.yaml,.yml"
          hidden
          aria-label="Document"
          onChange={e => setFile(e.target.files?.[0])}
        />
        <button
          type="button"
          onClick={() => input.current?.click()}
          onDragOver={e => e.preventDefault()}
          onDrop={e => {
            e.preventDefault()
            setFile(e.dataTransfer.files[0])
          }}
          className="flex flex-col items-center gap-2 rounded-xl border border-dashed border-line-strong px-4 py-6 text-ink-2 hover:bg-hover"
        >
          <FileUp aria-hidden className="size-5 text-ink-3" />
          {file ? (
            <span>
              <strong className="font-medium text-ink">{file.name}</strong> · {Math.ceil(file.size / 1024).toLocaleString('en')} KB
            </span>
          ) : (
            <span>Choose a file, or drop it here</span>
          )}
        </button>
        <TextField
          label="Or the document’s address"
          type="url"
          placeholder="https://api.example.com/openapi.json"
          value={url}
          disabled={!!file}
          onChange={e => setUrl(e.target.value)}
        />
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField
            label="Name"
            hint="Made from the title when empty"
            placeholder="warehouse"
            value={name}
            onChange={e => setName(e.target.value)}
          />
          <TextField
            label="Base URL"
            hint="The document’s server when empty"
            type="url"
            value={baseUrl}
            onChange={e => setBaseUrl(e.target.value)}
          />
        </div>
        {make.isError && <Problem error={make.error} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

function ImportedDialog({ imported: i, onClose }: { imported: Imported; onClose: () => void }) {
  return (
    <Dialog
      title={`${i.title} is ${i.result === 'created' ? 'there' : 'brought up to date'}`}
      onClose={onClose}
      actions={
        <Button look="primary" onClick={onClose}>
          Done
        </Button>
      }
    >
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5">
        <dt className="text-ink-3">Connector</dt>
        <dd>
          <code>{i.connector}</code>
        </dd>
        <dt className="text-ink-3">Actions</dt>
        <dd>{i.operations.toLocaleString('en')}</dd>
        <dt className="text-ink-3">Credential types</dt>
        <dd>{i.credentials.join(', ') || 'none'}</dd>
        {i.baseUrl && (
          <>
            <dt className="text-ink-3">Base URL</dt>
            <dd className="break-all">{i.baseUrl}</dd>
          </>
        )}
      </dl>
      {[
        { title: 'Left out', lines: i.leftOut.map(l => [l.operation, l.reason]) },
        { title: 'To know', lines: i.warnings.map(w => ['', w]) },
      ].map(
        part =>
          part.lines.length > 0 && (
            <section key={part.title} className="mt-5">
              <h3 className="mb-1.5 text-[0.8125rem] font-semibold">
                {part.title} ({part.lines.length})
              </h3>
              <ul className="flex max-h-52 flex-col gap-1 overflow-auto text-[0.8125rem] text-ink-2">
                {part.lines.map(([what, why], n) => (
                  <li key={n}>
                    {what && <code className="mr-2">{what}</code>}
                    {why}
                  </li>
                ))}
              </ul>
            </section>
          ),
      )}
    </Dialog>
  )
}
