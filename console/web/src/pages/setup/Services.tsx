import type { schemas } from '@turkey/sdk'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { useApi } from '../../session/context'
import { ButtonLink } from '../../ui/Button'
import { Badge, Failure, Loaded } from '../../ui/Feedback'
import { Select, Switch } from '../../ui/Field'
import { Card, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { sheetsService, sourcesIn, titleOf } from './catalogue'
import { sheetsCredential, useAct, useCredentials, useMappings, useRefresh, useServices } from './data'
import { HealthBadge } from './health'
import { ServiceIcon } from './ServiceChoice'

export default function Services() {
  const { t } = useTranslation('setup')
  const services = useServices()
  const credentials = useCredentials()
  const mappings = useMappings()
  return (
    <Page title={t('servicesPage.title')} lead={t('servicesPage.lead')}>
      <Loaded query={services}>{(list) => (
        <Loaded query={credentials}>{(own) => (
          <Loaded query={mappings}>{(mapped) => (
            <div className="service-cards">
              {[...sourcesIn(list.map((s) => s.name)), sheetsService].map((n) => list.find((s) => s.name === n)).filter((s) => s !== undefined).map((s) => <ServiceCard key={s.name} state={s} credentials={own} services={list} mapping={mapped.find((m) => m.service === s.name)} />)}
            </div>
          )}</Loaded>
        )}</Loaded>
      )}</Loaded>
    </Page>
  )
}

interface ServiceCardProps {
  state: schemas.ServiceState
  credentials: readonly schemas.Credential[]
  services: readonly schemas.ServiceState[]
  mapping: schemas.Mapping | undefined
}

function ServiceCard({ state, credentials, services, mapping }: ServiceCardProps) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const refresh = useRefresh()
  const { name } = state
  const own = credentials.filter((c) => c.service === name)
  const bound = own.find((c) => c.id === state.credential?.id)
  const [chosen, setChosen] = useState<string>()
  const selected = own.find((c) => String(c.id) === chosen) ?? bound ?? own[0]
  const title = titleOf(name, t)
  const turn = useAct(async (on: boolean, id?: number) => {
    if (on && id !== undefined) await api.services.enable(name, { credentialId: id })
    else await api.services.disable(name)
    await refresh()
    toast(t(on ? 'servicesPage.isOn' : 'servicesPage.isOff', { service: title }))
  })
  const choose = (id: string) => {
    setChosen(id)
    if (state.enabled) void turn.run(true, Number(id))
  }
  const next = nextStep(state, bound, Boolean(mapping), Boolean(sheetsCredential(credentials, services)))
  return (
    <Card title={<span className="row"><ServiceIcon service={name} />{title}</span>} actions={<Badge tone={state.enabled ? (next.done ? 'good' : 'warn') : undefined}>{t(state.enabled ? (next.done ? 'servicesPage.ready' : 'servicesPage.incomplete') : 'servicesPage.off')}</Badge>}>
      <Switch value={state.enabled} isDisabled={!selected || turn.busy} onChange={(on) => void turn.run(on, selected?.id)} hint={t(name === sheetsService ? 'servicesPage.switchSheets' : 'servicesPage.switchHint')}>{t('servicesPage.switch', { service: title })}</Switch>
      {own.length > 1 && <Select label={t('servicesPage.credential')} value={selected ? String(selected.id) : null} onChange={choose} isDisabled={turn.busy} choices={own.map((c) => ({ id: String(c.id), label: c.name, hint: c.maskedPreview }))} />}
      {own.length === 1 && selected && <div className="row-between"><span><span className="soft">{t('servicesPage.credential')}: </span><Link to={`/credentials/${selected.id}`}>{selected.name}</Link></span><HealthBadge health={selected.health} /></div>}
      {mapping && <div><span className="soft">{t('servicesPage.tab')}: </span><Link to={`/sheets?service=${name}`}>{mapping.sheetName}</Link></div>}
      {turn.error !== null && <Failure error={turn.error} />}
      {!next.done && <div className="row-between service-next"><span>{t(`servicesPage.next.${next.key}`)}</span>{next.to && <ButtonLink to={next.to} look="small">{t(`servicesPage.go.${next.key}`)}</ButtonLink>}</div>}
    </Card>
  )
}

/** What is missing next before a service works by itself. */
function nextStep(state: schemas.ServiceState, bound: schemas.Credential | undefined, mapped: boolean, sheets: boolean): { done: boolean; key: string; to?: string } {
  if (!bound) return { done: false, key: 'credential', to: `/credentials/new?service=${state.name}` }
  if (!state.enabled) return { done: false, key: 'off' }
  if (bound.health === 'broken') return { done: false, key: 'broken', to: `/credentials/${bound.id}` }
  if (!bound.verified) return { done: false, key: 'test', to: `/credentials/${bound.id}` }
  if (state.name === sheetsService) return { done: true, key: '' }
  if (!sheets) return { done: false, key: 'sheets', to: `/credentials/new?service=${sheetsService}` }
  if (!mapped) return { done: false, key: 'tab', to: `/sheets?service=${state.name}` }
  return { done: true, key: '' }
}
