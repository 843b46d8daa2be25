import type { schemas } from '@turkey/sdk'
import { Sheet } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { useApi } from '../../session/context'
import { useAsk } from '../../ui/ask'
import { Button, ButtonLink } from '../../ui/Button'
import { Empty, Loaded } from '../../ui/Feedback'
import { Card, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { sheetsService, titleOf } from './catalogue'
import { sheetsCredential, useCredentials, useMappings, useServices } from './data'
import { MappingForm, useSpreadsheets } from './MappingForm'
import { ServiceIcon } from './ServiceChoice'
import { SheetLink } from './SheetLink'
import { TabPreview, useTab } from './TabPreview'

export default function Sheets() {
  const { t } = useTranslation('setup')
  const services = useServices()
  const credentials = useCredentials()
  const mappings = useMappings()
  return (
    <Page title={t('sheets.title')} lead={t('sheets.lead')}>
      <Loaded query={services}>{(list) => (
        <Loaded query={credentials}>{(own) => (
          <Loaded query={mappings}>{(mapped) => {
            const key = sheetsCredential(own, list)
            if (!key) return <Card><Empty icon={Sheet} title={t('sheets.noKey')} action={<ButtonLink to={`/credentials/new?service=${sheetsService}`} look="primary">{t('sheets.connect')}</ButtonLink>}>{t('sheets.noKeyText')}</Empty></Card>
            const sources = list.filter((s) => s.name !== sheetsService && (s.credential || mapped.some((m) => m.service === s.name)))
            if (sources.length === 0) return <Card><Empty icon={Sheet} title={t('sheets.noSource')} action={<ButtonLink to="/credentials/new" look="primary">{t('sheets.connectSource')}</ButtonLink>}>{t('sheets.noSourceText')}</Empty></Card>
            return <><p className="small soft">{t('sheets.written')} <Link to={`/credentials/${key.id}`}>{key.name}</Link></p>{sources.map((s) => <Source key={s.name} service={s.name} credential={key.id} mappings={mapped} />)}</>
          }}</Loaded>
        )}</Loaded>
      )}</Loaded>
    </Page>
  )
}

function Source({ service, credential, mappings }: { service: string; credential: number; mappings: readonly schemas.Mapping[] }) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const [query, setQuery] = useSearchParams()
  const [dialog, ask] = useAsk(['setup'])
  const editing = query.get('service') === service
  const mapping = mappings.find((m) => m.service === service)
  const title = titleOf(service, t)
  const edit = (on: boolean) => setQuery(on ? { service } : {}, { replace: true })
  const remove = (m: schemas.Mapping) => ask({
    title: t('sheets.removeTitle', { service: title }), text: t('sheets.removeText', { service: title, tab: m.sheetName }), action: t('sheets.remove'), danger: true, done: t('sheets.removed', { service: title }),
    run: () => api.sheetMappings.delete(service),
  })
  const saved = () => {
    toast(t('sheets.saved', { service: title }))
    edit(false)
  }
  return (
    <Card title={<span className="row"><ServiceIcon service={service} />{title}</span>} actions={!editing && <>
      {mapping && <Button look="small danger" aria-label={`${t('sheets.remove')}: ${title}`} onPress={() => remove(mapping)}>{t('sheets.remove')}</Button>}
      <Button look={mapping ? 'small' : 'small primary'} aria-label={`${t(mapping ? 'sheets.change' : 'sheets.choose')}: ${title}`} onPress={() => edit(true)}>{t(mapping ? 'sheets.change' : 'sheets.choose')}</Button>
    </>}>
      {editing
        ? <MappingForm service={service} credential={credential} mappings={mappings} action={t('sheets.save')} extra={<Button onPress={() => edit(false)}>{t('common:cancel')}</Button>} onSaved={saved} />
        : mapping ? <Mapped mapping={mapping} credential={credential} /> : <p className="soft">{t('sheets.none')}</p>}
      {dialog}
    </Card>
  )
}

function Mapped({ mapping: m, credential }: { mapping: schemas.Mapping; credential: number }) {
  const { t } = useTranslation('setup')
  const files = useSpreadsheets(credential)
  const tab = useTab(credential, m.spreadsheetId, m.sheetName)
  const name = files.data?.find((f) => f.id === m.spreadsheetId)?.name ?? m.spreadsheetId
  return (
    <>
      <p className="row"><span><strong>{m.sheetName}</strong> {t('sheets.in')} {name}</span><SheetLink id={m.spreadsheetId} /></p>
      <TabPreview service={m.service} tab={tab} />
    </>
  )
}
