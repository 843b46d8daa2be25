import { useQuery } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure, Loaded, Notice } from '../../ui/Feedback'
import { Select, TextField } from '../../ui/Field'
import { headerOf, titleOf } from './catalogue'
import { useAct, useRefresh } from './data'
import { ShareHelp } from './ShareHelp'
import { TabPreview, useTab } from './TabPreview'

const idInLink = (text: string) => /\/spreadsheets\/d\/([\w-]{20,})/.exec(text)?.[1] ?? /^[\w-]{30,}$/.exec(text.trim())?.[0]
const manyFiles = 12

export function useSpreadsheets(credential: number | undefined) {
  const api = useApi()
  return useQuery({
    queryKey: ['setup', 'spreadsheets', credential], enabled: credential !== undefined, staleTime: 3000,
    queryFn: async ({ signal }) => (await api.sheets.listSpreadsheets({ credential_id: String(credential) }, { signal })).data,
  })
}

interface MappingFormProps {
  service: string
  credential: number
  mappings: readonly schemas.Mapping[]
  action: string
  extra?: ReactNode
  onSaved: () => void
}

/** Spreadsheet, tab, and what would happen in it. A tab that holds something else is not taken. */
export function MappingForm({ service, credential, mappings, action, extra, onSaved }: MappingFormProps) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const refresh = useRefresh()
  const current = mappings.find((m) => m.service === service)
  const [chosenFile, setFile] = useState(current?.spreadsheetId ?? null)
  const [chosenTab, setTab] = useState(current?.sheetName ?? null)
  const [filter, setFilter] = useState('')
  const [link, setLink] = useState('')
  const [help, setHelp] = useState(false)

  const files = useSpreadsheets(credential)
  const file = idInLink(link) ?? chosenFile ?? (files.data?.length === 1 ? (files.data[0]?.id ?? null) : null)
  const tabs = useQuery({
    queryKey: ['setup', 'tabs', credential, file], enabled: file !== null, staleTime: 3000,
    queryFn: async ({ signal }) => (await api.sheets.listTabs(file ?? '', { credential_id: String(credential) }, { signal })).data,
  })
  const names = tabs.data?.map((x) => x.name) ?? []
  const tab = chosenTab !== null && names.includes(chosenTab) ? chosenTab : names.length === 1 ? (names[0] ?? null) : null
  const preview = useTab(credential, file, tab)
  const taken = mappings.find((m) => m.service !== service && m.spreadsheetId === file && m.sheetName === tab)
  const fits = preview.data !== undefined && headerOf(service, preview.data).state !== 'foreign' && !taken

  const save = useAct(async () => {
    if (!file || !tab) return
    await api.sheetMappings.set({ service, spreadsheetId: file, sheetName: tab })
    await refresh()
    onSaved()
  })
  const pick = (id: string) => {
    setFile(id)
    setLink('')
    setTab(null)
    save.clear()
  }
  return (
    <div className="stack">
      <Loaded query={files}>{(list) => {
        if (list.length === 0) return <><Notice>{t('share.none')}</Notice><ShareHelp credential={credential} looking={files.isFetching} onLook={() => void files.refetch()} /></>
        const shown = list.filter((f) => f.id === file || f.name.toLowerCase().includes(filter.trim().toLowerCase()))
        const choices = file && !list.some((f) => f.id === file) ? [{ id: file, label: file }, ...shown.map((f) => ({ id: f.id, label: f.name }))] : shown.map((f) => ({ id: f.id, label: f.name }))
        return (
          <>
            {list.length > manyFiles && <TextField label={t('pick.filter')} value={filter} onChange={setFilter} autoComplete="off" />}
            <div className="pick">
              <Select label={t('pick.file')} placeholder={t('pick.choose')} value={file} onChange={pick} choices={choices} />
              <Select label={t('pick.tab')} placeholder={tabs.isFetching ? t('common:loading') : t('pick.choose')} value={tab} onChange={setTab} isDisabled={names.length === 0} choices={names.map((n) => ({ id: n, label: n }))} />
            </div>
            <div><Button look="small quiet" aria-expanded={help} onPress={() => setHelp(!help)}>{t('share.missing')}</Button></div>
            {help && (
              <>
                <ShareHelp credential={credential} looking={files.isFetching} onLook={() => void files.refetch()} />
                <TextField label={t('pick.link')} hint={t('pick.linkHint')} value={link} onChange={setLink} autoComplete="off" error={link.trim() !== '' && !idInLink(link) ? t('pick.noLink') : undefined} />
              </>
            )}
          </>
        )
      }}</Loaded>
      {tabs.error !== null && <Failure error={tabs.error} retry={() => void tabs.refetch()} />}
      {current && chosenTab !== null && chosenTab === current.sheetName && tabs.data && file === current.spreadsheetId && !names.includes(chosenTab) && <Notice tone="warn">{t('pick.goneTab', { tab: chosenTab })}</Notice>}
      {taken && <Notice tone="bad">{t('pick.taken', { service: titleOf(taken.service, t) })}</Notice>}
      {tab && <TabPreview service={service} tab={preview} verdict={!taken} />}
      {save.error !== null && <Failure error={save.error} />}
      <div className="row">
        {files.data?.length !== 0 && <Button look="primary" busy={save.busy} isDisabled={!fits} onPress={() => void save.run()}>{action}</Button>}
        {extra}
      </div>
    </div>
  )
}
