{{/* The name of all objects: the release's, if that holds the chart's, else both. */}}
{{- define "canopy.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects this release's pods: it never changes. */}}
{{- define "canopy.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Pods have no label of the chart's version: its upgrade alone starts none anew. */}}
{{- define "canopy.podLabels" -}}
{{ include "canopy.selectorLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/component: server
app.kubernetes.io/part-of: canopy
{{- end -}}

{{/* The labels of every object (kubernetes.io/docs/concepts/overview/working-with-objects/common-labels). */}}
{{- define "canopy.labels" -}}
{{ include "canopy.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "canopy.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "canopy.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "canopy.kubeVersion" -}}
{{- default .Capabilities.KubeVersion.Version .Values.kubeVersion -}}
{{- end -}}

{{- define "canopy.image" -}}
{{- $image := .Values.image -}}
{{- $repository := ternary (printf "%s-slim" $image.repository) $image.repository (eq $image.variant "slim") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "canopy.toolsImage" -}}
{{- $usual := printf "%s-tools:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- default $usual .Values.prepare.image -}}
{{- end -}}

{{- define "canopy.cache" -}}
{{- default "/var/cache/canopy" .Values.settings.cache -}}
{{- end -}}

{{- define "canopy.scheme" -}}
{{- ternary "https" "http" (not (empty .Values.tls.secretName)) -}}
{{- end -}}

{{/* Ten seconds more than a drain may take (docs/operations.md): both times may have fractions. */}}
{{- define "canopy.gracePeriod" -}}
{{- add (ceil (addf .Values.settings.drain_delay_seconds .Values.settings.drain_timeout_seconds)) 10 -}}
{{- end -}}

{{/* Requests are limits: a server that may use what others leave is slow when they take it back. */}}
{{- define "canopy.resources" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory | quote }}
limits:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory | quote }}
{{- end -}}

{{/* No right that a process which listens and computes could need. */}}
{{- define "canopy.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}

{{/* How fast pods come and go, whoever decides. */}}
{{- define "canopy.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - type: Percent
      value: 100
      periodSeconds: 30
    - type: Pods
      value: 2
      periodSeconds: 30
  selectPolicy: Max
scaleDown:
  stabilizationWindowSeconds: 300
  policies:
    - type: Percent
      value: 25
      periodSeconds: 60
{{- end -}}

{{/* Which series of Prometheus are this release's: the labels that its PodMonitor adds. */}}
{{- define "canopy.series" -}}
namespace="{{ .Release.Namespace }}",app_kubernetes_io_name="{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}",app_kubernetes_io_instance="{{ .Release.Name }}"
{{- end -}}

{{/* The port for gRPC, if one is open. */}}
{{- define "canopy.grpcPort" -}}
{{- if and (hasKey .Values.settings "grpc_port") (ne (toString .Values.settings.grpc_port) "off") -}}
{{- int .Values.settings.grpc_port -}}
{{- end -}}
{{- end -}}

{{/* Where the volumes are: the root file system cannot be written. */}}
{{- define "canopy.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: cache
  mountPath: {{ include "canopy.cache" . }}
{{- if .Values.tls.secretName }}
- name: tls
  mountPath: /etc/canopy/tls
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "canopy.topologySpread" -}}
{{- range $key, $what := dict "kubernetes.io/hostname" .Values.topologySpread.hostname "topology.kubernetes.io/zone" .Values.topologySpread.zone }}
{{- if ne $what "off" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $what }}
  labelSelector:
    matchLabels:
      {{- include "canopy.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The cores that a pod may use on average before pods are added: resources.cpu is 500m, "0.5" or 0.5. */}}
{{- define "canopy.busyCores" -}}
{{- $cpu := toString .Values.resources.cpu -}}
{{- $cores := ternary (divf (trimSuffix "m" $cpu | float64) 1000) (float64 $cpu) (hasSuffix "m" $cpu) -}}
{{- divf (mulf $cores .Values.autoscaling.cpu.target) 100 -}}
{{- end -}}
