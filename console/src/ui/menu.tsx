import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'

export interface MenuItem {
  label: string
  icon?: ReactNode
  keys?: string
  danger?: boolean
  disabled?: boolean
  onSelect: () => void
}

/** A menu on a button. The button is the child. */
export function Menu({ items, children, align = 'end' }: { items: (MenuItem | 'line')[]; children: ReactNode; align?: 'start' | 'end' }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{children}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 min-w-48 animate-pop rounded-xl border border-line bg-raised p-1 shadow-pop"
        >
          {items.map((item, i) =>
            item === 'line' ? (
              <DropdownMenu.Separator key={i} className="my-1 h-px bg-line" />
            ) : (
              <DropdownMenu.Item
                key={i}
                disabled={item.disabled}
                onSelect={item.onSelect}
                className={`flex cursor-pointer items-center gap-2.5 rounded-lg px-2.5 py-1.5 outline-none data-disabled:cursor-not-allowed data-disabled:opacity-50 data-highlighted:bg-hover ${item.danger ? 'text-bad' : ''}`}
              >
                <span className="flex size-4 items-center text-ink-3 [&>svg]:size-4">{item.icon}</span>
                <span className="flex-1">{item.label}</span>
                {item.keys && <Keys>{item.keys}</Keys>}
              </DropdownMenu.Item>
            ),
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

export function Keys({ children }: { children: string }) {
  return <kbd className="rounded border border-line bg-sunken px-1.5 py-0.5 text-[0.6875rem] text-ink-2">{children}</kbd>
}
