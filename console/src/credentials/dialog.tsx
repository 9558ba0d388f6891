import { useQueryClient } from '@tanstack/react-query'
import { ExternalLink, ShieldAlert } from 'lucide-react'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { ApiError } from '../api/client.ts'
import { type CredentialType, useConnectors } from '../components/queries.ts'
import { Button, Spinner } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Check, Select, TextField } from '../ui/field.tsx'
import { Loading, Problem } from '../ui/page.tsx'
import { ValuesForm } from './form.tsx'
import { authorize, type Credential, credentialsQuery, getCredential, saveCredential, type Values, verify } from './queries.ts'
import { beginning, fieldsOf, filled } from './schema.ts'

interface CredentialDialogProps {
  /** The connector, or one of its components. */
  uses: string
  /** The one to change; a new one without. */
  credential?: Credential
  /** Told of the credential as it was saved, once nothing is left to do; the dialog then wants to be closed. */
  onDone: (credential: Credential) => void
  onClose: () => void
}

/** Makes or changes a credential; where the system can be asked, it is asked before anything is stored. */
export function CredentialDialog(props: CredentialDialogProps) {
  const connectors = useConnectors()
  const name = props.uses.split('/')[0]
  const connector = connectors.data?.find(c => c.name === name)
  const title = props.credential ? 'Edit credential' : connector ? `New ${connector.title} credential` : 'New credential'
  if (connector && connector.credentials.length > 0)
    return <CredentialForm {...props} uses={connector.name} title={title} service={connector.title} types={connector.credentials} />
  return (
    <Dialog title={title} onClose={props.onClose} actions={<Button onClick={props.onClose}>Close</Button>}>
      {connectors.isPending ? (
        <Loading lines={3} />
      ) : connectors.isError ? (
        <Problem error={connectors.error} retry={() => void connectors.refetch()} />
      ) : (
        <p className="text-ink-2">{connector ? `${connector.title} needs no credentials.` : `There is no connector ${name}.`}</p>
      )}
    </Dialog>
  )
}

type Stage = 'editing' | 'verifying' | 'saving'

function CredentialForm({
  uses,
  credential,
  onDone,
  onClose,
  title,
  service,
  types,
}: CredentialDialogProps & { title: string; service: string; types: CredentialType[] }) {
  const [typeName, setTypeName] = useState(credential?.type ?? types[0]!.name)
  const type = types.find(t => t.name === typeName) ?? types[0]!
  const fields = fieldsOf(type.schema)
  const [name, setName] = useState(credential?.name ?? `${service} credential`)
  const [values, setValues] = useState<Values>(() => beginning(fields))
  const [replacing, setReplacing] = useState(!credential)
  const [stage, setStage] = useState<Stage>('editing')
  const [refused, setRefused] = useState<string>()
  const [error, setError] = useState<unknown>()
  const [errors, setErrors] = useState<Record<string, string>>({})
  const [toAuthorize, setToAuthorize] = useState<{ credential: Credential; url: string }>()
  const asking = useRef<AbortController>(undefined)
  const client = useQueryClient()
  useEffect(() => () => asking.current?.abort(), [])

  const needsPerson = type.oauth?.grant === 'authorization_code'
  const writes = replacing || typeName !== credential?.type

  const change = () => {
    setRefused(undefined)
    setError(undefined)
    setErrors({})
  }

  async function save(verified: 'first' | 'not') {
    change()
    const missing = writes ? fields.filter(f => f.required && !values[f.name]) : []
    if (missing.length > 0) return setErrors(Object.fromEntries(missing.map(f => [f.name, `${f.title} is needed`])))
    const wanted = { name: name.trim(), uses, type: type.name, values: writes ? filled(fields, values) : undefined }
    const ask = verified === 'first' && type.verifiable && !needsPerson && wanted.values
    const control = new AbortController()
    asking.current = control
    try {
      if (ask && wanted.values) {
        setStage('verifying')
        const said = await verify(
          { uses, type: type.name, values: wanted.values },
          AbortSignal.any([control.signal, AbortSignal.timeout(31_000)]),
        )
        if (!said.verified && said.supported) return setRefused(said.reason || 'The service gave no reason.')
      }
      setStage('saving')
      let saved = await saveCredential(wanted, credential)
      if (ask) {
        // Only what is stored can be marked as verified.
        await verify({ id: saved.id }, AbortSignal.timeout(31_000)).catch(() => {})
        saved = await getCredential(saved.id)
      }
      void client.invalidateQueries({ queryKey: credentialsQuery.queryKey })
      if (needsPerson && (writes || !saved.oauth?.authorized)) setToAuthorize({ credential: saved, url: (await authorize(saved.id)).url })
      else onDone(saved)
    } catch (e) {
      if (control.signal.aborted) return
      if (e instanceof DOMException && e.name === 'TimeoutError') return setRefused('No answer within 30 s.')
      const places =
        e instanceof ApiError ? e.problems.flatMap(p => (p.path?.startsWith('values/') ? [[p.path.slice(7), p] as const] : [])) : []
      if (places.length > 0) setErrors(Object.fromEntries(places.map(([f, p]) => [f, [p.message, p.remedy].filter(Boolean).join(': ')])))
      else setError(e)
    } finally {
      setStage('editing')
    }
  }

  if (toAuthorize) return <AuthorizeDialog {...toAuthorize} service={service} onDone={onDone} />
  const busy = stage !== 'editing'
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        stage === 'verifying' ? (
          <>
            <p role="status" className="mr-auto flex items-center gap-2 text-ink-2">
              <Spinner /> Asking {service}, for at most 30 s…
            </p>
            <Button onClick={() => asking.current?.abort()}>Cancel</Button>
          </>
        ) : (
          <>
            <Button onClick={onClose}>Cancel</Button>
            {refused && (
              <Button disabled={busy} onClick={() => void save('not')}>
                Save unverified
              </Button>
            )}
            <Button look="primary" busy={stage === 'saving'} onClick={() => void save('first')}>
              Save
            </Button>
          </>
        )
      }
    >
      <form
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(e: FormEvent) => {
          e.preventDefault()
          if (!busy) void save('first')
        }}
      >
        <Select
          label="Type"
          hint={type.summary}
          value={type.name}
          disabled={busy}
          onChange={e => {
            change()
            setTypeName(e.target.value)
            setValues(beginning(fieldsOf(types.find(t => t.name === e.target.value)?.schema)))
          }}
        >
          {types.map(t => (
            <option key={t.name} value={t.name}>
              {t.title}
            </option>
          ))}
        </Select>
        <TextField
          label="Account name"
          hint="What you find it by"
          value={name}
          disabled={busy}
          autoFocus
          onChange={e => setName(e.target.value)}
        />
        {credential && typeName === credential.type && fields.length > 0 && (
          <Check
            label="Replace its values"
            hint="Stored values are never shown. Without this they stay as they are."
            checked={replacing}
            disabled={busy}
            onChange={e => setReplacing(e.target.checked)}
          />
        )}
        {writes && (
          <fieldset disabled={busy} className="contents">
            <ValuesForm
              key={type.name}
              fields={fields}
              values={values}
              errors={errors}
              onChange={v => {
                change()
                setValues(v)
              }}
            />
          </fieldset>
        )}
        {needsPerson && writes && (
          <p className="text-[0.8125rem] text-ink-3">
            After saving, {service} asks you to agree. Register <code className="break-all">{location.origin}/oauth/callback</code> there as
            the redirect address.
          </p>
        )}
        <button type="submit" hidden />
        {refused && (
          <div role="alert" className="flex items-start gap-3 rounded-xl border border-bad/40 bg-bad-soft px-4 py-3">
            <ShieldAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
            <div className="min-w-0">
              <p className="font-medium text-bad">{service} does not accept it</p>
              <p className="mt-0.5 break-words text-ink-2">{refused}</p>
            </div>
          </div>
        )}
        {error !== undefined && <Problem error={error} />}
      </form>
    </Dialog>
  )
}

/** Sends the person to the provider, and waits until they have agreed. */
function AuthorizeDialog({
  credential,
  url,
  service,
  onDone,
}: {
  credential: Credential
  url: string
  service: string
  onDone: (credential: Credential) => void
}) {
  const done = useRef(onDone)
  done.current = onDone
  useEffect(() => {
    const timer = setInterval(async () => {
      const now = await getCredential(credential.id).catch(() => undefined)
      if (now?.oauth?.authorized && now.oauth.expiresAt !== credential.oauth?.expiresAt) done.current(now)
    }, 2000)
    return () => clearInterval(timer)
  }, [credential])
  return (
    <Dialog
      title={`Authorize at ${service}`}
      onClose={() => onDone(credential)}
      actions={<Button onClick={() => onDone(credential)}>Later</Button>}
    >
      <p className="mb-4 text-ink-2">
        “{credential.name}” is saved. {service} has to hear from you that Sluice may use it; this dialog closes once you have agreed. The
        link is good for ten minutes.
      </p>
      <a
        href={url}
        target="_blank"
        rel="noreferrer"
        className="inline-flex h-9 items-center gap-1.5 rounded-lg bg-accent px-3.5 font-medium text-on-accent shadow-card hover:bg-accent-hover"
      >
        <ExternalLink aria-hidden className="size-4" /> Authorize
      </a>
    </Dialog>
  )
}
