import { Check, Copy, FileUp, MoreHorizontal } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import {
  Button as AriaButton, DropZone, FileTrigger, Menu, MenuItem, MenuTrigger, Popover, Tab as AriaTab, TabList, TabPanel, Tabs as AriaTabs, Text, type DropItem,
} from 'react-aria-components'
import { useTranslation } from 'react-i18next'
import { Button } from './Button'

export interface Act {
  id: string
  label: string
  icon?: ReactNode
  danger?: boolean
  disabled?: boolean
  run: () => void
}

/** The acts that a row or card offers, behind one button. */
export function Acts({ label, acts, trigger }: { label: string; acts: readonly Act[]; trigger?: ReactNode }) {
  return (
    <MenuTrigger>
      <AriaButton className={trigger ? 'button quiet' : 'button quiet small icon'} aria-label={label}>{trigger ?? <MoreHorizontal aria-hidden="true" />}</AriaButton>
      <Popover className="popover" placement="bottom end">
        <Menu className="listbox" items={acts} disabledKeys={acts.filter((a) => a.disabled).map((a) => a.id)}>
          {(a) => <MenuItem id={a.id} textValue={a.label} className={`option${a.danger ? ' danger' : ''}`} onAction={a.run}>{a.icon}{a.label}</MenuItem>}
        </Menu>
      </Popover>
    </MenuTrigger>
  )
}

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

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const { t } = useTranslation()
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), 2000)
  }
  return (
    <Button look="small quiet" onPress={copy}>
      {copied ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
      {copied ? t('copied') : (label ?? t('copy'))}
    </Button>
  )
}

interface FileDropProps {
  label: string
  hint: string
  /** Mime types and endings, as an input takes them: ".json", "application/json". */
  accept: readonly string[]
  maxBytes: number
  onText: (text: string, name: string) => void
  onRefused: (why: string) => void
}

/** Takes one text file, dropped or chosen. */
export function FileDrop({ label, hint, accept, maxBytes, onText, onRefused }: FileDropProps) {
  const { t } = useTranslation()
  const take = async (file: File) => {
    const fits = accept.some((a) => (a.startsWith('.') ? file.name.toLowerCase().endsWith(a) : file.type === a))
    if (!fits) return onRefused(t('fileWrongType', { name: file.name, types: accept.join(', ') }))
    if (file.size > maxBytes) return onRefused(t('fileTooLarge', { name: file.name, kib: Math.floor(maxBytes / 1024) }))
    onText(await file.text(), file.name)
  }
  const drop = async (items: DropItem[]) => {
    const file = items.find((i) => i.kind === 'file')
    if (file) await take(await file.getFile())
  }
  return (
    <DropZone className="drop" onDrop={(e) => void drop(e.items)}>
      <FileUp aria-hidden="true" />
      <Text slot="label">{label}</Text>
      <span className="small soft">{hint}</span>
      <FileTrigger acceptedFileTypes={[...accept]} onSelect={(files) => files?.[0] && void take(files[0])}><Button look="small">{t('chooseFile')}</Button></FileTrigger>
    </DropZone>
  )
}
