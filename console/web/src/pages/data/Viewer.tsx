import './area'
import { useQuery } from '@tanstack/react-query'
import { Table2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { useApi } from '../../session/context'
import { ButtonLink } from '../../ui/Button'
import { Empty, Loaded } from '../../ui/Feedback'
import { Select } from '../../ui/Field'
import { Card, Page } from '../../ui/Page'
import { SheetTrouble } from './SheetTrouble'
import { useMappings, useServiceName } from './sources'
import { TabValues } from './TabValues'

/** What is in a tab of a spreadsheet, read with a credential of one's own. */
export default function Viewer() {
  const { t } = useTranslation('data')
  const api = useApi()
  const credentials = useQuery({
    queryKey: ['data', 'sheet-credentials'],
    queryFn: async ({ signal }) => (await api.credentials.list({}, { signal })).credentials.filter((c) => c.service === 'google_sheets'),
  })
  return (
    <Page title={t('viewer.title')} lead={t('viewer.lead')}>
      <Loaded query={credentials} lines={8}>
        {(list) => (list.length === 0
          ? <Card><Empty icon={Table2} title={t('viewer.noCredential')} action={<ButtonLink look="primary" to="/setup">{t('dashboard.setup')}</ButtonLink>}>{t('viewer.noCredentialText')}</Empty></Card>
          : <Picker credentials={list.map((c) => ({ id: String(c.id), label: c.name, ...(c.verified ? {} : { hint: t('viewer.unverified') }) }))} />)}
      </Loaded>
    </Page>
  )
}

/** Adds what is chosen to what there is to choose, so that a file that cannot be listed is still named. */
const withChosen = (list: readonly { id: string; label: string }[], chosen: string) => (chosen === '' || list.some((c) => c.id === chosen) ? list : [...list, { id: chosen, label: chosen }])

function Picker({ credentials }: { credentials: readonly { id: string; label: string; hint?: string }[] }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const name = useServiceName()
  const mappings = useMappings()
  const [query, setQuery] = useSearchParams()
  const credential = query.get('credential') ?? credentials[0]?.id ?? ''
  const first = mappings.data?.[0]
  const spreadsheet = query.get('spreadsheet') ?? first?.spreadsheetId ?? ''
  const tab = query.get('tab') ?? (spreadsheet === first?.spreadsheetId ? first?.sheetName : '') ?? ''
  const files = useQuery({
    queryKey: ['data', 'spreadsheets', credential],
    queryFn: async ({ signal }) => (await api.sheets.listSpreadsheets({ credential_id: credential }, { signal })).data,
    staleTime: 60_000,
  })
  const tabs = useQuery({
    queryKey: ['data', 'tabs', credential, spreadsheet],
    queryFn: async ({ signal }) => (await api.sheets.listTabs(spreadsheet, { credential_id: credential }, { signal })).data,
    enabled: spreadsheet !== '',
    staleTime: 60_000,
  })
  const choose = (changes: Record<string, string>) => setQuery((q) => {
    for (const [k, v] of Object.entries(changes)) {
      if (v) q.set(k, v)
      else q.delete(k)
    }
    return q
  }, { replace: true })
  const mappedTo = (sheetName: string) => (mappings.data ?? []).filter((m) => m.spreadsheetId === spreadsheet && m.sheetName === sheetName).map((m) => name(m.service)).join(', ')
  const tabNames = (tabs.data ?? []).map((x) => ({ id: x.name, label: x.name, ...(mappedTo(x.name) ? { hint: t('viewer.mapped', { services: mappedTo(x.name) }) } : {}) }))
  return (
    <>
      <div className="grid">
        {credentials.length > 1 && <Select label={t('viewer.credential')} value={credential} onChange={(id) => choose({ credential: id, spreadsheet: '', tab: '' })} choices={credentials} />}
        <Select label={t('viewer.spreadsheet')} value={spreadsheet || null} placeholder={t('viewer.choose')} onChange={(id) => choose({ spreadsheet: id, tab: '' })}
          choices={withChosen((files.data ?? []).map((f) => ({ id: f.id, label: f.name })), spreadsheet)} />
        <Select label={t('viewer.tab')} value={tab || null} placeholder={t('viewer.choose')} onChange={(id) => choose({ spreadsheet, tab: id })} isDisabled={spreadsheet === ''} choices={withChosen(tabNames, tab)} />
      </div>
      {files.error && <SheetTrouble error={files.error} retry={() => void files.refetch()} />}
      {tabs.error && !files.error && <SheetTrouble error={tabs.error} retry={() => void tabs.refetch()} />}
      {!files.error && !tabs.error && (spreadsheet && tab
        ? <TabValues key={`${credential} ${spreadsheet} ${tab}`} credential={credential} spreadsheet={spreadsheet} tab={tab} />
        : !mappings.isPending && <Card><Empty icon={Table2} title={t('viewer.pick')}>{t('viewer.pickText')}</Empty></Card>)}
    </>
  )
}
