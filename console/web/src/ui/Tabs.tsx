import type { ReactNode } from 'react'
import { Tab as AriaTab, TabList, TabPanel, Tabs as AriaTabs } from 'react-aria-components'

export interface TabSpec {
  id: string
  label: ReactNode
  content: ReactNode
}

export function Tabs({ label, tabs, selected, onSelect }: { label: string; tabs: readonly TabSpec[]; selected?: string; onSelect?: (id: string) => void }) {
  return (
    <AriaTabs className="tabs" {...(selected === undefined ? {} : { selectedKey: selected })} onSelectionChange={(k) => onSelect?.(String(k))}>
      <TabList aria-label={label} className="tablist" items={tabs}>{(t) => <AriaTab id={t.id} className="tab">{t.label}</AriaTab>}</TabList>
      {tabs.map((t) => <TabPanel key={t.id} id={t.id} className="stack">{t.content}</TabPanel>)}
    </AriaTabs>
  )
}
