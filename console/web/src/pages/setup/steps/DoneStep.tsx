import type { schemas } from '@turkey/sdk'
import { useQueryClient } from '@tanstack/react-query'
import { PartyPopper } from 'lucide-react'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../../session/context'
import { Button, ButtonLink } from '../../../ui/Button'
import { Failure, Loaded } from '../../../ui/Feedback'
import { titleOf } from '../catalogue'
import { useAct } from '../data'
import { SheetLink } from '../SheetLink'
import { Grid, useTab } from '../TabPreview'

interface DoneStepProps {
  service: string
  complete: boolean
  credential: schemas.Credential | undefined
  mapping: schemas.Mapping | undefined
  onAnother: () => void
}

/** The rows that are in the spreadsheet now, and where to go from here. Whoever sees this is through. */
export function DoneStep({ service, complete, credential, mapping, onAnother }: DoneStepProps) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const queries = useQueryClient()
  const tab = useTab(credential?.id, mapping?.spreadsheetId ?? null, mapping?.sheetName ?? null, 12)
  const finish = useAct(async () => {
    await api.user.completeOnboarding()
    await queries.invalidateQueries({ queryKey: ['setup', 'status'] })
  })
  useEffect(() => {
    if (!complete) void finish.run()
    // Once, when this is seen; a failure offers another attempt.
  }, [])
  return (
    <div className="stack">
      <p className="connected"><PartyPopper aria-hidden="true" />{t('done.text', { service: titleOf(service, t), tab: mapping?.sheetName })}</p>
      {finish.error !== null && <Failure error={finish.error} retry={() => void finish.run()} />}
      {mapping && <Loaded query={tab}>{(rows) => <Grid rows={rows} label={t('done.rows')} />}</Loaded>}
      <div className="row">
        <ButtonLink to="/" look="primary">{t('done.dashboard')}</ButtonLink>
        <ButtonLink to="/schedules">{t('done.schedule')}</ButtonLink>
        <Button onPress={onAnother}>{t('done.another')}</Button>
        {mapping && <SheetLink id={mapping.spreadsheetId} />}
      </div>
    </div>
  )
}
