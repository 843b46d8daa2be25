import { Check } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { steps, type Step } from '../progress'

/** The way through, with what is behind one; that can be gone back to. */
export function Stepper({ step, reached, onStep }: { step: Step; reached: number; onStep: (step: Step) => void }) {
  const { t } = useTranslation('setup')
  const at = steps.indexOf(step)
  return (
    <ol className="stepper" aria-label={t('wizard.steps')}>
      {steps.map((s, i) => {
        const done = i < Math.max(reached, at) && i !== at
        const label = <><span className="stepper-mark">{done ? <Check aria-hidden="true" /> : i + 1}</span><span className="stepper-text">{t(`wizard.names.${s}`)}</span>{done && <span className="sr-only">{t('wizard.isDone')}</span>}</>
        return (
          <li key={s} className={`${done ? 'done' : ''}${i === at ? ' current' : ''}`} aria-current={i === at ? 'step' : undefined}>
            {i !== at && i <= reached ? <button type="button" onClick={() => onStep(s)}>{label}</button> : <span>{label}</span>}
          </li>
        )
      })}
    </ol>
  )
}
