import {
  Activity,
  Bell,
  Boxes,
  Database,
  Eraser,
  History,
  KeyRound,
  LayoutDashboard,
  ScrollText,
  Settings,
  ShieldAlert,
  Workflow,
} from 'lucide-react'
import type { ComponentType } from 'react'

export interface Place {
  to: string
  label: string
  /** Words that find it in the palette besides its label. */
  also?: string
  icon: ComponentType<{ className?: string }>
}

/** The main menu, in its order. A screen adds itself here and in app/router.tsx. */
export const places: Place[] = [
  { to: '/', label: 'Dashboard', also: 'home overview', icon: LayoutDashboard },
  { to: '/flows', label: 'Flows', also: 'designer', icon: Workflow },
  { to: '/executions', label: 'Run log', also: 'executions history', icon: ScrollText },
  { to: '/tail', label: 'Live tail', also: 'follow now stream logs', icon: Activity },
  { to: '/rejected', label: 'Rejected requests', also: 'signature refused 401 debugger', icon: ShieldAlert },
  { to: '/replays', label: 'Replays', also: 'dry run what-if again', icon: History },
  { to: '/sql', label: 'SQL', also: 'query analytics chart', icon: Database },
  { to: '/alerts', label: 'Alerts', also: 'notify threshold slack e-mail', icon: Bell },
  { to: '/erasures', label: 'Erasures', also: 'erase a person data gdpr privacy forget delete certificate', icon: Eraser },
  { to: '/credentials', label: 'Credentials', also: 'secrets keys', icon: KeyRound },
  { to: '/components', label: 'Components', also: 'connectors openapi', icon: Boxes },
  { to: '/settings', label: 'Settings', also: 'theme health doctor', icon: Settings },
]
