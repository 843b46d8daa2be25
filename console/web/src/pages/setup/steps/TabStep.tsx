import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { Button } from '../../../ui/Button'
import { Notice } from '../../../ui/Feedback'
import { titleOf } from '../catalogue'
import { MappingForm } from '../MappingForm'

interface TabStepProps {
  service: string
  credential: schemas.Credential | undefined
  mappings: readonly schemas.Mapping[]
  onBack: () => void
  onDone: () => void
}

export function TabStep({ service, credential, mappings, onBack, onDone }: TabStepProps) {
  const { t } = useTranslation('setup')
  if (!credential) return <><Notice tone="warn">{t('wizard.noSheets')}</Notice><div><Button look="primary" onPress={onBack}>{t('common:back')}</Button></div></>
  return (
    <>
      <p className="soft">{t('wizard.tabText', { service: titleOf(service, t) })}</p>
      <MappingForm service={service} credential={credential.id} mappings={mappings} action={t('wizard.useTab')} onSaved={onDone} />
    </>
  )
}
