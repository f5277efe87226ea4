{{/* A setting's variable, as settings.py has it. */}}
{{- define "canopy.variable" -}}
{{- if eq . "tracking_uri" -}}
MLFLOW_TRACKING_URI
{{- else -}}
CANOPY_{{ upper . }}
{{- end -}}
{{- end -}}

{{/* The variables of the server, and of what prepares its model: settings, the certificate, and `environment`.
     toJson writes a large number as settings.py reads it: 1048576, where Go would write 1.048576e+06. */}}
{{- define "canopy.environment" -}}
{{- range $name, $value := .Values.settings }}
{{- if not (and (kindIs "string" $value) (empty $value)) }}
- name: {{ include "canopy.variable" $name }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}
{{- if .Values.tls.secretName }}
- name: CANOPY_TLS_CERTIFICATE
  value: /etc/canopy/tls/tls.crt
- name: CANOPY_TLS_KEY
  value: /etc/canopy/tls/tls.key
{{- end }}
{{- range $name, $value := .Values.environment }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* What the schema cannot tell in words. */}}
{{- define "canopy.refusals" -}}
{{- $settings := .Values.settings -}}
{{- if not (or $settings.tracking_uri .Values.existingSecret) -}}
{{- fail "settings.tracking_uri: say where MLflow is, as http://mlflow.example:5000, or give existingSecret with MLFLOW_TRACKING_URI" -}}
{{- end -}}
{{- if regexMatch "://[^/?#]*:[^/?#]*@" $settings.tracking_uri -}}
{{- fail "settings.tracking_uri holds a password: put MLFLOW_TRACKING_URI into a Secret and name that in existingSecret" -}}
{{- end -}}
{{- if $settings.admin_token -}}
{{- fail "settings.admin_token is a secret: put CANOPY_ADMIN_TOKEN into a Secret and name that in existingSecret" -}}
{{- end -}}
{{- if or $settings.tls_certificate $settings.tls_key -}}
{{- fail "settings.tls_certificate and tls_key: put both into a Secret of type kubernetes.io/tls and name that in tls.secretName" -}}
{{- end -}}
{{- if eq (int $settings.port) 0 -}}
{{- fail "settings.port: 0 takes a free port, which no Service could find: give a number" -}}
{{- end -}}
{{- if and (hasKey $settings "grpc_port") (eq (toString $settings.grpc_port) "0") -}}
{{- fail "settings.grpc_port: 0 takes a free port, which no Service could find: give a number, or off" -}}
{{- end -}}
{{- range $name, $value := .Values.environment -}}
{{- if hasPrefix "CANOPY_" $name -}}
{{- fail (printf "environment.%s is a setting: give it as settings.%s" $name (trimPrefix "CANOPY_" $name | lower)) -}}
{{- end -}}
{{- if eq $name "MLFLOW_TRACKING_URI" -}}
{{- fail "environment.MLFLOW_TRACKING_URI is a setting: give it as settings.tracking_uri" -}}
{{- end -}}
{{- if regexMatch "(TOKEN|PASSWORD|SECRET|KEY|KEY_ID)$" $name -}}
{{- fail (printf "environment.%s is a secret: put it into a Secret and name that in existingSecret" $name) -}}
{{- end -}}
{{- if regexMatch "://[^/?#]*:[^/?#]*@" $value -}}
{{- fail (printf "environment.%s holds a password: put it into a Secret and name that in existingSecret" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := keys .Values.podLabels | sortAlpha -}}
{{- if hasKey (include "canopy.podLabels" $ | fromYaml) $name -}}
{{- fail (printf "podLabels: the chart sets %s itself" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := keys .Values.podMonitor.labels | sortAlpha -}}
{{- if hasKey (include "canopy.labels" $ | fromYaml) $name -}}
{{- fail (printf "podMonitor.labels: the chart sets %s itself" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas (%d) is above maxReplicas (%d)" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (eq .Values.autoscaling.by "queue") (empty .Values.autoscaling.queue.serverAddress) -}}
{{- fail "autoscaling.queue.serverAddress: say where Prometheus is, as http://prometheus.monitoring:9090" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (empty .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: name the Gateway, as [{name: public, namespace: gateways}]" -}}
{{- end -}}
{{- if and .Values.ingress.tlsSecretName (empty .Values.ingress.hosts) -}}
{{- fail "ingress.hosts: name the hosts that the certificate in ingress.tlsSecretName is for" -}}
{{- end -}}
{{- end -}}
