import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate, useSearchParams } from 'react-router'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure, Loaded } from '../../ui/Feedback'
import { Card, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { sheetsService, titleOf } from './catalogue'
import { addressIn, type Members } from './content'
import { useAct, useCredentials, useMappings, useRefresh, useServices } from './data'
import { progress, steps, type Known, type Step } from './progress'
import { ConnectStep } from './steps/ConnectStep'
import { DoneStep } from './steps/DoneStep'
import { SourceStep } from './steps/SourceStep'
import { SyncStep } from './steps/SyncStep'
import { TabStep } from './steps/TabStep'
import { Stepper } from './steps/Stepper'
import './setup.css'

export default function Setup() {
  const { t } = useTranslation('setup')
  const api = useApi()
  const navigate = useNavigate()
  const refresh = useRefresh()
  const status = useQuery({ queryKey: ['setup', 'status'], queryFn: async ({ signal }) => (await api.user.status({ signal })).data })
  const services = useServices()
  const credentials = useCredentials()
  const mappings = useMappings()
  const runs = useQuery({ queryKey: ['setup', 'runs'], queryFn: async ({ signal }) => (await api.runs.list({ limit: 50 }, { signal })).runs })
  const skip = useAct(async () => {
    await api.user.completeOnboarding()
    void refresh()
    toast(t('wizard.skipped'))
    void navigate('/')
  })
  const parts = [status, services, credentials, mappings, runs]
  const all = {
    data: status.data && services.data && credentials.data && mappings.data && runs.data
      ? { complete: status.data.onboardingComplete, services: services.data, credentials: credentials.data, mappings: mappings.data, runs: runs.data }
      : undefined,
    error: parts.find((p) => p.error)?.error ?? null,
    isPending: parts.some((p) => p.isPending),
    refetch: () => parts.forEach((p) => p.error && void p.refetch()),
  }
  return (
    <Page title={t('wizard.title')} lead={t('wizard.lead')} actions={all.data && !all.data.complete && <Button look="quiet" busy={skip.busy} onPress={() => void skip.run()}>{t('wizard.skip')}</Button>}>
      {skip.error !== null && <Failure error={skip.error} />}
      <Loaded query={all} lines={8}>{(known) => <Wizard known={known} />}</Loaded>
    </Page>
  )
}

/** Begins where the server says that somebody was left, and goes on as they do; another tab does not push this one. */
function Wizard({ known }: { known: Known }) {
  const { t } = useTranslation('setup')
  const [query, setQuery] = useSearchParams()
  const wanted = query.get('source')
  const here = progress(known, wanted)
  const [step, setStep] = useState<Step>(here.step)
  const [choosing, setChoosing] = useState(!here.source)
  const [key, setKey] = useState<Members>()
  const heading = useRef<HTMLHeadingElement>(null)
  const first = useRef(true)
  useEffect(() => {
    if (!first.current) heading.current?.focus()
    first.current = false
  }, [step, choosing])

  const reached = steps.indexOf(here.step)
  const service = here.source ?? ''
  const title = titleOf(service, t)
  /** After a step: the next one, unless what follows is there already. */
  const after = (done: Step) => {
    const next = steps[steps.indexOf(done) + 1] ?? 'done'
    if (next === 'sheets' && here.sheets) return setStep(here.mapping ? 'sync' : 'tab')
    setStep(next)
  }
  const keep = (content: Members | undefined) => content && addressIn(content) && setKey(content)
  const another = () => {
    setChoosing(true)
    setStep('source')
  }
  const choose = (source: string) => {
    setQuery({ source }, { replace: true })
    setChoosing(false)
    setStep(progress(known, source).step)
  }
  const heads: Record<Step, string> = {
    source: choosing ? t('wizard.source') : t('wizard.connect', { service: title }), sheets: t('wizard.sheets'), tab: t('wizard.tab', { service: title }),
    sync: t('wizard.sync'), done: t('wizard.done'),
  }
  const connected = known.services.filter((s) => s.enabled && s.credential?.verified).map((s) => s.name)
  return (
    <div className="wizard">
      <Stepper step={step} reached={choosing ? 0 : reached} onStep={setStep} />
      <Card>
        <h2 ref={heading} tabIndex={-1} className="wizard-head">{heads[step]}</h2>
        {step === 'source' && (choosing
          ? <SourceStep services={known.services} connected={connected} onChoose={choose} />
          : <ConnectStep key={service} service={service} existing={here.credential} onOther={another} onKey={keep} onDone={() => after('source')} />)}
        {step === 'sheets' && (
          <ConnectStep service={sheetsService} existing={here.sheets ?? known.credentials.find((c) => c.service === sheetsService)} sameKey={key} onKey={keep} onDone={() => setStep(here.mapping ? 'sync' : 'tab')} />
        )}
        {step === 'tab' && <TabStep service={service} credential={here.sheets} mappings={known.mappings} onBack={() => setStep('sheets')} onDone={() => after('tab')} />}
        {step === 'sync' && <SyncStep service={service} known={here.run} mapping={here.mapping} onDone={() => after('sync')} onStep={setStep} />}
        {step === 'done' && <DoneStep service={service} complete={known.complete} credential={here.sheets} mapping={here.mapping} onAnother={another} />}
      </Card>
    </div>
  )
}
