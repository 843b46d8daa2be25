import { X } from 'lucide-react'
import { UNSTABLE_Toast as Toast, UNSTABLE_ToastContent as ToastContent, UNSTABLE_ToastQueue as ToastQueue, UNSTABLE_ToastRegion as ToastRegion, Text } from 'react-aria-components'
import { useTranslation } from 'react-i18next'
import { Button } from './Button'
import type { Tone } from './Feedback'

interface Message {
  text: string
  tone: Tone
}

const queue = new ToastQueue<Message>({ maxVisibleToasts: 3 })

/** Says that something is done. Failures belong beside what failed, not here. */
export function toast(text: string, tone: Tone = 'good') {
  queue.add({ text, tone }, { timeout: 6000 })
}

export function Toasts() {
  const { t } = useTranslation()
  return (
    <ToastRegion queue={queue} className="toasts">
      {({ toast: entry }) => (
        <Toast toast={entry} className={`toast ${entry.content.tone}`}>
          <ToastContent className="grow"><Text slot="title">{entry.content.text}</Text></ToastContent>
          <Button slot="close" look="quiet small icon" aria-label={t('close')}><X aria-hidden="true" /></Button>
        </Toast>
      )}
    </ToastRegion>
  )
}
