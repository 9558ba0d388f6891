import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { BadgeCheck, KeyRound, MoreHorizontal, Plus, RefreshCw, ShieldQuestion } from 'lucide-react'
import { useState } from 'react'
import { type Connector, type CredentialType, useConnectors } from '../components/queries.ts'
import { useFlows } from '../flows/queries.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Menu, type MenuItem } from '../ui/menu.tsx'
import { Card, Empty, Loading, Page, Problem } from '../ui/page.tsx'
import { Badge } from '../ui/status.tsx'
import { ago, fullTime } from '../ui/time.ts'
import { tell, tellError } from '../ui/toast.tsx'
import { CredentialDialog } from './dialog.tsx'
import { type Credential, credentialsQuery, deleteCredential, endRotation, useCredentials, verify } from './queries.ts'
import { RotateDialog } from './rotate.tsx'
import { fieldsOf, rotatable } from './schema.ts'

type Open =
  | { what: 'choose' }
  | { what: 'create'; uses: string }
  | { what: 'edit' | 'rotate' | 'delete'; credential: Credential }
  | undefined

export function CredentialsPage() {
  const credentials = useCredentials()
  const connectors = useConnectors()
  const flows = useFlows()
  const [open, setOpen] = useState<Open>()
  const close = () => setOpen(undefined)
  const client = useQueryClient()
  const changed = () => void client.invalidateQueries({ queryKey: credentialsQuery.queryKey })
  const check = useMutation({
    mutationFn: (c: Credential) => verify({ id: c.id }),
    onSuccess: (said, c) => {
      changed()
      if (said.verified) tell(`${c.name || c.id} is verified`)
      else tell(said.reason || `${c.name || c.id} is not verified`, undefined, true)
    },
    onError: tellError,
  })
  const end = useMutation({
    mutationFn: endRotation,
    onSuccess: c => {
      changed()
      tell(`The previous secret of ${c.name || c.id} is no longer valid`)
    },
    onError: tellError,
  })
  const connectorOf = (c: Credential) => connectors.data?.find(x => x.name === c.uses)
  const names = new Map(flows.data?.map(f => [f.id, f.name || f.id]))
  const add = (
    <Button look="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => setOpen({ what: 'choose' })}>
      New credential
    </Button>
  )
  return (
    <Page
      title="Credentials"
      about="How Sluice proves itself to other systems, and how it knows who calls its hooks. Values are stored encrypted and never shown."
      actions={add}
    >
      {credentials.isPending ? (
        <Loading />
      ) : credentials.isError ? (
        <Problem error={credentials.error} retry={() => void credentials.refetch()} />
      ) : credentials.data.length === 0 ? (
        <Empty icon={<KeyRound />} title="No credentials yet" action={add}>
          A flow’s steps use credentials to call other systems. Make one here, or while you build a flow.
        </Empty>
      ) : (
        <Card>
          <ul className="divide-y divide-line">
            {credentials.data.map(c => {
              const connector = connectorOf(c)
              const type = connector?.credentials.find(t => t.name === c.type)
              return (
                <Row
                  key={c.id}
                  credential={c}
                  connector={connector}
                  type={type}
                  names={names}
                  checking={check.isPending && check.variables.id === c.id}
                  items={[
                    { label: 'Edit', onSelect: () => setOpen({ what: 'edit', credential: c }) },
                    ...(type?.verifiable ? [{ label: 'Verify again', onSelect: () => check.mutate(c) }] : []),
                    ...(rotatable(fieldsOf(type?.schema)).length > 0
                      ? [{ label: 'Rotate', onSelect: () => setOpen({ what: 'rotate', credential: c }) }]
                      : []),
                    ...(c.rotating ? [{ label: 'End rotation', onSelect: () => end.mutate(c) }] : []),
                    'line',
                    { label: 'Delete', danger: true, onSelect: () => setOpen({ what: 'delete', credential: c }) },
                  ]}
                />
              )
            })}
          </ul>
        </Card>
      )}
      {open?.what === 'choose' && (
        <ChooseDialog connectors={connectors.data ?? []} onClose={close} onChoose={uses => setOpen({ what: 'create', uses })} />
      )}
      {open?.what === 'create' && (
        <CredentialDialog
          uses={open.uses}
          onClose={close}
          onDone={c => {
            tell(`${c.name || c.id} is saved`)
            close()
          }}
        />
      )}
      {open?.what === 'edit' && (
        <CredentialDialog
          uses={open.credential.uses}
          credential={open.credential}
          onClose={close}
          onDone={c => {
            tell(`${c.name || c.id} is saved`)
            close()
          }}
        />
      )}
      {open?.what === 'rotate' && (
        <RotateDialog
          credential={open.credential}
          fields={rotatable(fieldsOf(connectorOf(open.credential)?.credentials.find(t => t.name === open.credential.type)?.schema))}
          onClose={close}
          onDone={changed}
        />
      )}
      {open?.what === 'delete' && <DeleteDialog credential={open.credential} names={names} onClose={close} onDone={changed} />}
    </Page>
  )
}

function Row({
  credential: c,
  connector,
  type,
  names,
  checking,
  items,
}: {
  credential: Credential
  connector?: Connector
  type?: CredentialType
  names: ReadonlyMap<string, string>
  checking: boolean
  items: (MenuItem | 'line')[]
}) {
  return (
    <li className="flex items-center gap-3 px-5 py-3.5">
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium">{c.name || c.id}</p>
        <p className="truncate text-[0.8125rem] text-ink-3">
          {connector?.title ?? c.uses} · {type?.title ?? c.type}
        </p>
        <p className="text-[0.8125rem] text-ink-3">
          {c.usedBy.length === 0
            ? 'Used by no flow'
            : c.usedBy.map((id, i) => (
                <span key={id}>
                  {i === 0 ? 'Used by ' : ', '}
                  <Link to={`/flows/${id}` as never} className="text-accent-ink hover:underline">
                    {names.get(id) ?? id}
                  </Link>
                </span>
              ))}
        </p>
      </div>
      <div className="flex flex-wrap justify-end gap-2">
        {c.rotating && (
          <Badge tone="violet" icon={RefreshCw}>
            Rotating
          </Badge>
        )}
        {c.oauth && !c.oauth.authorized && <Badge tone="warn">Not authorized</Badge>}
        {checking ? (
          <Badge tone="info">Verifying…</Badge>
        ) : c.verified ? (
          <span title={`Verified ${fullTime(c.verified)}`}>
            <Badge tone="good" icon={BadgeCheck}>
              Verified {ago(c.verified)}
            </Badge>
          </span>
        ) : (
          type?.verifiable && (
            <Badge tone="warn" icon={ShieldQuestion}>
              Unverified
            </Badge>
          )
        )}
      </div>
      <Menu items={items}>
        <IconButton label={`More for ${c.name || c.id}`}>
          <MoreHorizontal aria-hidden className="size-4" />
        </IconButton>
      </Menu>
    </li>
  )
}

function ChooseDialog({
  connectors,
  onChoose,
  onClose,
}: {
  connectors: Connector[]
  onChoose: (uses: string) => void
  onClose: () => void
}) {
  const [words, setWords] = useState('')
  const found = connectors.filter(c => c.credentials.length > 0 && `${c.title} ${c.name}`.toLowerCase().includes(words.toLowerCase()))
  return (
    <Dialog title="What is the credential for?" onClose={onClose} actions={<Button onClick={onClose}>Cancel</Button>}>
      <TextField
        label="Search connectors"
        hideLabel
        type="search"
        placeholder="Search connectors"
        value={words}
        autoFocus
        onChange={e => setWords(e.target.value)}
      />
      <ul className="mt-3 flex flex-col">
        {found.map(c => (
          <li key={c.name}>
            <button
              type="button"
              className="flex w-full flex-col rounded-lg px-3 py-2 text-left hover:bg-hover"
              onClick={() => onChoose(c.name)}
            >
              <span className="font-medium">{c.title}</span>
              {c.summary && <span className="text-[0.8125rem] text-ink-3">{c.summary}</span>}
            </button>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="text-ink-2">No connector with credentials is called so.</p>}
    </Dialog>
  )
}

function DeleteDialog({
  credential: c,
  names,
  onClose,
  onDone,
}: {
  credential: Credential
  names: ReadonlyMap<string, string>
  onClose: () => void
  onDone: () => void
}) {
  const [typed, setTyped] = useState('')
  const name = c.name || c.id
  const remove = useMutation({
    mutationFn: () => deleteCredential(c.id),
    onSuccess: () => {
      onDone()
      tell(`${name} is deleted`)
      onClose()
    },
  })
  return (
    <Dialog
      title={`Delete ${name}?`}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look="danger" disabled={typed !== name} busy={remove.isPending} onClick={() => remove.mutate()}>
            Delete
          </Button>
        </>
      }
    >
      <p className="mb-4 text-ink-2">
        {c.usedBy.length === 0
          ? 'No flow uses it. Its values cannot be brought back.'
          : `Used by ${c.usedBy.map(id => names.get(id) ?? id).join(', ')}. While one of these runs it stays; a stopped flow needs another credential afterwards.`}
      </p>
      <div className="flex flex-col gap-4">
        <TextField label={`Type ${name} to confirm`} value={typed} onChange={e => setTyped(e.target.value)} autoFocus />
        {remove.isError && <Problem error={remove.error} />}
      </div>
    </Dialog>
  )
}
