import {
  Archive,
  Braces,
  CalendarClock,
  CircleDollarSign,
  CirclePause,
  CreditCard,
  Database,
  Filter,
  GitFork,
  GitPullRequest,
  Globe,
  Hash,
  Hourglass,
  Mail,
  PawPrint,
  Phone,
  Reply,
  ScrollText,
  Send,
  ShoppingBag,
  Shuffle,
  Waypoints,
  Webhook,
  Workflow,
} from 'lucide-react'
import type { ComponentType, CSSProperties } from 'react'
import { connectorOf } from './components.ts'

type Icon = ComponentType<{ className?: string; 'aria-hidden'?: boolean }>

const Cross: Icon = p => (
  <svg aria-hidden viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={2} strokeLinecap="round" {...p}>
    <path d="M4.5 4h4.2l10.8 16h-4.2zM19 4l-6.4 7.2M5 20l6.3-7.1" />
  </svg>
)

const Fork: Icon = p => <GitFork {...p} className={`rotate-180 ${p.className ?? ''}`} />

// A face is an icon and a hue (0–360); by component where those of a connector differ in what they are.
const faces: Record<string, [Icon, number]> = {
  webhook: [Webhook, 200],
  'webhook/send': [Send, 200],
  'webhook/wait': [CirclePause, 200],
  'webhook/reply': [Reply, 200],
  schedule: [CalendarClock, 265],
  http: [Globe, 225],
  mapper: [Shuffle, 165],
  router: [Fork, 320],
  code: [Braces, 80],
  flow: [Workflow, 295],
  'flow/delay': [Hourglass, 295],
  'flow/filter': [Filter, 295],
  'flow/log': [ScrollText, 295],
  petstore: [PawPrint, 45],
  github: [GitPullRequest, 285],
  slack: [Hash, 340],
  stripe: [CreditCard, 275],
  shopify: [ShoppingBag, 135],
  paypal: [CircleDollarSign, 245],
  twilio: [Phone, 20],
  x: [Cross, 250],
  kafka: [Waypoints, 110],
  sql: [Database, 235],
  s3: [Archive, 60],
  email: [Mail, 10],
}

/** A hue for a connector that has no face of its own: always the same for the same name. */
function hueOf(name: string): number {
  let h = 0
  for (const c of name) h = (h * 31 + c.charCodeAt(0)) % 360
  return h
}

/** The icon of a component or a connector, on its colour. An imported connector has its first letters. */
export function ComponentIcon({ uses, title, small }: { uses: string; title?: string; small?: boolean }) {
  const connector = connectorOf(uses)
  const face = faces[uses] ?? faces[connector]
  const [Icon, hue] = face ?? [undefined, hueOf(connector)]
  const letters = (title || connector).replace(/[^\p{L}\p{N} ]/gu, '').slice(0, 2)
  return (
    <span
      aria-hidden
      style={{ '--hue': hue } as CSSProperties}
      className={`tile flex shrink-0 items-center justify-center ${small ? 'size-8 rounded-lg' : 'size-10 rounded-xl'}`}
    >
      {Icon ? (
        <Icon aria-hidden className={small ? 'size-4' : 'size-5'} />
      ) : (
        <span className="font-semibold text-[0.8125rem] capitalize">{letters}</span>
      )}
    </span>
  )
}
