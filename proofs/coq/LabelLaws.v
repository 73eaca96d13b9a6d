(* Students of labels: rows, laws of labels, filters and mixtures, as finite sums.

   A label or a row j has the log-probability l j th under the parameters th, and the student descends on
   - sum_j r j * l j th  for some weights r: counts of rows, or the law from which labels are drawn.  With
   score v j = <grad (l j) th0, v>,  v the teacher's direction or the gradient of any readout:

   - rows_add_up        the step along v is the sum of the scores of the rows, and against a control the
                        difference of two sums; another label for one row changes nothing but its own term;
   - dilution           labels of a share rho from the teacher and the rest from the init give rho times the
                        alignment that the teacher's labels give: for every e and along every v;
   - reweighted_slope   a law in proportion to weights that move at the relative rates g has as the slope of
                        its alignment the covariance of g and the scores.  Four laws are cases of it;
   - filter_slope       labels kept with fixed probabilities, so by an accept set: the variance of the scores
                        under what is kept, never negative, once the alignment at e = 0 is subtracted;
   - thinning_slope     labels kept with a probability in proportion to (p0 / p_e)^lam: (1 - lam) q;
   - minimum_slope      labels in proportion to min(p0, p_e): the mean of min(0, score)^2;
   - total_variance     a channel from labels to classes splits the mean of score^2 into what the classes keep
                        and the spread within them. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses Popoviciu.
Open Scope R_scope.

(* --- rules of right derivatives --- *)
Lemma rderiv_div h h' c c' d d' : rderiv h c d -> rderiv h' c' d' -> c' <> 0 ->
  rderiv (fun t => h t / h' t) (c / c') ((d * c' - c * d') / (c' * c')).
Proof.
  intros H H' Hc. pose (z := fun i => match i with O => c | _ => c' end).
  eapply rderiv_eq.
  - apply (rderiv_comp 2 (fun y => y 0%nat / y 1%nat) z
      (fun j => (delta 0 j * z 1%nat - z 0%nat * delta 1 j) / (z 1%nat * z 1%nat))
      (fun i => match i with O => h | _ => h' end) (fun i => match i with O => d | _ => d' end)).
    + apply (has_grad_div 2 (fun y => y 0%nat) (fun y => y 1%nat)); [| |exact Hc]; apply has_grad_coord; lia.
    + intros [|i] Hi; [exact H | exact H'].
  - reflexivity.
  - unfold delta, z. simpl. field. exact Hc.
Qed.

Lemma rderiv_exp h c d : rderiv h c d -> rderiv (fun t => exp (h t)) (exp c) (exp c * d).
Proof.
  intros H. eapply appr_ext_lin.
  - apply within_filter, locally_filter.
  - apply (appr_comp1 (at_right 0) (fun t => t) exp (exp c) h c (fun t => d * t)).
    + apply at_right_scale.
    + apply is_derive_exp.
    + exact H.
    + apply linear_bigO.
  - intros t. cbv beta. ring.
Qed.

Lemma rderiv_min h c d : rderiv h c d -> rderiv (fun t => Rmin c (h t)) c (Rmin 0 d).
Proof.
  intros H e He. destruct (H e He) as [r Hr]. exists r. intros t Ht Ht0. specialize (Hr t Ht Ht0).
  apply Rle_trans with (2 := Hr). revert Hr. set (o := h t - c - d * t). intros _.
  replace (h t) with (c + d * t + o) by (unfold o; ring). unfold Rmin, Rabs.
  repeat destruct Rle_dec; repeat destruct Rcase_abs; nra.
Qed.

(* --- rows and their scores --- *)
Definition label_loss (n : nat) (r : nat -> R) (l : nat -> vec -> R) (th : vec) : R :=
  - rsum n (fun j => r j * l j th).
Definition score (k : nat) (l : nat -> vec -> R) (th0 v : vec) (j : nat) : R := dot k (grad (l j) th0) v.

Lemma label_step_dot k n r l th0 v : (forall j, (j < n)%nat -> differentiable k (l j) th0) ->
  dot k (gstep (label_loss n r l) th0) v = mean n r (score k l th0 v).
Proof.
  intros Hl.
  assert (G : has_grad k (label_loss n r l) th0 (fun i => - rsum n (fun j => r j * grad (l j) th0 i))).
  { apply has_grad_opp, has_grad_sum. intros j Hj. apply has_grad_scal, grad_has, Hl, Hj. }
  rewrite (dot_ext k _ v (fun i => rsum n (fun j => r j * grad (l j) th0 i)) v); [|intros i Hi|trivial].
  - rewrite (dot_sum_l k n (fun j i => r j * grad (l j) th0 i)). apply rsum_ext. intros j _. apply dot_scal_l.
  - unfold gstep. rewrite (grad_eq k _ _ _ G i Hi). ring.
Qed.

(* the step of the rows a 0, ..., a (N-1), each of them a pair of an input and a label *)
Definition rows_step (N : nat) (a : nat -> nat) (l : nat -> vec -> R) (th0 : vec) : vec :=
  gstep (label_loss N (fun _ => 1) (fun j => l (a j))) th0.

Section Rows.
Variables (k : nat) (l : nat -> vec -> R) (th0 v : vec).
Hypothesis Hl : forall j, differentiable k (l j) th0.

Theorem rows_add_up N a : dot k (rows_step N a l th0) v = rsum N (fun j => score k l th0 v (a j)).
Proof.
  unfold rows_step. rewrite label_step_dot by (intros; apply Hl). apply rsum_ext. intros j _.
  unfold score. ring.
Qed.

Theorem rows_against_control N N' a b :
  dot k (vsub (rows_step N a l th0) (rows_step N' b l th0)) v =
  rsum N (fun j => score k l th0 v (a j)) - rsum N' (fun j => score k l th0 v (b j)).
Proof. unfold vsub. rewrite dot_minus_l, !rows_add_up. reflexivity. Qed.

(* b is a with another label, or another input, in the row i *)
Theorem one_row_edited N a b i : (i < N)%nat -> (forall j, j <> i -> b j = a j) ->
  dot k (rows_step N b l th0) v - dot k (rows_step N a l th0) v =
  score k l th0 v (b i) - score k l th0 v (a i).
Proof.
  intros Hi E. rewrite !rows_add_up, <- rsum_minus, <- (rsum_delta N
    (fun j => score k l th0 v (b j) - score k l th0 v (a j)) i Hi).
  apply rsum_ext. intros j _. unfold delta. destruct (Nat.eqb_spec j i) as [->|Hne]; [ring|].
  rewrite (E j Hne). ring.
Qed.
End Rows.

(* --- laws of labels --- *)
Definition normal (n : nat) (w : nat -> R) : vec := fun i => w i / rsum n w.

Lemma normal_sum n w : rsum n w <> 0 -> rsum n (normal n w) = 1.
Proof. intros H. unfold normal, Rdiv. rewrite rsum_scal_r. field. exact H. Qed.

Lemma mean_normal n w a : mean n (normal n w) a = rsum n (fun i => w i * a i) / rsum n w.
Proof. unfold mean, normal, Rdiv. rewrite <- rsum_scal_r. apply rsum_ext. intros. ring. Qed.

Theorem reweighted_slope n (W : nat -> R -> R) w g s :
  (forall i, (i < n)%nat -> rderiv (W i) (w i) (w i * g i)) -> rsum n w <> 0 ->
  rderiv (fun e => mean n (normal n (fun i => W i e)) s) (mean n (normal n w) s)
    (covariance n (normal n w) g s).
Proof.
  intros HW Hw.
  apply (rderiv_ext (fun e => rsum n (fun i => s i * W i e) / rsum n (fun i => W i e))).
  - eapply rderiv_eq.
    + apply rderiv_div; [|apply (rderiv_sum n W w _ HW)|exact Hw].
      apply (rderiv_sum n (fun i e => s i * W i e) (fun i => s i * w i) (fun i => s i * (w i * g i))).
      intros i Hi. apply rderiv_scal, HW, Hi.
    + rewrite mean_normal. f_equal. apply rsum_ext. intros. ring.
    + rewrite (covariance_product _ _ _ _ (normal_sum n w Hw)), !mean_normal.
      rewrite (rsum_ext n (fun i => s i * w i) (fun i => w i * s i)) by (intros; ring).
      rewrite (rsum_ext n (fun i => s i * (w i * g i)) (fun i => w i * (g i * s i))) by (intros; ring).
      field. exact Hw.
  - intros e. rewrite mean_normal. f_equal. apply rsum_ext. intros. ring.
Qed.

(* the log-probabilities z_i - log sum exp z of a softmax are those of a law, as Hlaw below asks *)
Fact softmax_law n z : (0 < n)%nat -> rsum n (fun i => exp (z i - ln (sumexp n z))) = 1.
Proof.
  intros Hn. rewrite <- (softmax_sum n z Hn). apply rsum_ext. intros i _. unfold Rminus, softmax, Rdiv.
  rewrite exp_plus, exp_Ropp, exp_ln by (apply sumexp_pos, Hn). reflexivity.
Qed.

(* A model of n labels: l i th is the log-probability of label i, and the teacher stands at th0 + e u. *)
Section Laws.
Variables (k n : nat) (l : nat -> vec -> R) (th0 u : vec).
Hypothesis Hl : forall i, (i < n)%nat -> differentiable k (l i) th0.
Hypothesis Hlaw : forall th, rsum n (fun i => exp (l i th)) = 1.
Let p0 : vec := fun i => exp (l i th0).
Let p (e : R) : vec := fun i => exp (l i (seg th0 u e)).
Let s : vec := score k l th0 u.
Let q : R := variance n p0 s.
(* the alignment, along v, of a student of labels with the law r *)
Let D (v : vec) (r : vec) : R := dot k (gstep (label_loss n r l) th0) v.

Lemma alignment_of_law v r : D v r = mean n r (score k l th0 v).
Proof. apply label_step_dot, Hl. Qed.

Lemma log_law_rderiv v i : (i < n)%nat -> rderiv (fun e => l i (seg th0 v e)) (l i th0) (score k l th0 v i).
Proof.
  intros Hi. unfold score, dot. apply (rderiv_comp k (l i) th0 (grad (l i) th0) (fun j e => seg th0 v e j) v).
  - apply grad_has, Hl, Hi.
  - intros j _. apply rderiv_affine.
Qed.

(* no step along any v is taken on the init's own labels *)
Lemma own_labels v : D v p0 = 0.
Proof.
  rewrite alignment_of_law.
  assert (G : forall j, (j < k)%nat -> rsum n (fun i => p0 i * grad (l i) th0 j) = 0).
  { apply (has_grad_unique k (fun th => rsum n (fun i => exp (l i th))) th0 _ (fun _ => 0)).
    - apply has_grad_sum. intros i Hi. apply has_grad_comp1; [apply is_derive_exp | apply grad_has, Hl, Hi].
    - apply (has_grad_ext k (fun _ => 1)); [apply has_grad_const|]. intros th. symmetry. apply Hlaw. }
  transitivity (dot k (fun j => rsum n (fun i => p0 i * grad (l i) th0 j)) v).
  - rewrite (dot_sum_l k n (fun i j => p0 i * grad (l i) th0 j)). apply rsum_ext. intros i _.
    symmetry. apply dot_scal_l.
  - apply rsum_zero_ext. intros j Hj. rewrite (G j Hj). ring.
Qed.

Lemma own_sum : rsum n p0 = 1.
Proof. apply Hlaw. Qed.
Lemma own_mean : mean n p0 s = 0.
Proof. unfold s. rewrite <- alignment_of_law. apply own_labels. Qed.
Lemma own_normal a : mean n (normal n p0) a = mean n p0 a.
Proof. rewrite mean_normal, own_sum. unfold mean. field. Qed.

(* labels of the init, reweighted at the relative rates g *)
Lemma own_reweighted (W : nat -> R -> R) g : (forall i, (i < n)%nat -> rderiv (W i) (p0 i) (p0 i * g i)) ->
  rderiv (fun e => D u (normal n (fun i => W i e))) 0 (mean n p0 (fun i => g i * s i)).
Proof.
  intros HW. apply (rderiv_ext (fun e => mean n (normal n (fun i => W i e)) s));
    [|intros; symmetry; apply alignment_of_law].
  assert (Z : rsum n p0 <> 0) by (rewrite own_sum; lra).
  eapply rderiv_eq; [apply (reweighted_slope n W p0 g s HW Z) | rewrite own_normal; apply own_mean |].
  rewrite (covariance_product _ _ _ _ (normal_sum n p0 Z)), !own_normal, own_mean. ring.
Qed.

Theorem dilution v rho e : D v (fun i => rho * p e i + (1 - rho) * p0 i) = rho * D v (p e).
Proof.
  transitivity (rho * D v (p e) + (1 - rho) * D v p0); [|rewrite own_labels; ring].
  rewrite !alignment_of_law. unfold mean. rewrite <- !rsum_scal, <- rsum_plus. apply rsum_ext. intros. ring.
Qed.

Lemma law_rderiv c i : (i < n)%nat -> rderiv (fun e => c i * p e i) (c i * p0 i) (c i * p0 i * s i).
Proof.
  intros Hi. eapply rderiv_eq; [apply rderiv_scal, rderiv_exp, (log_law_rderiv u i Hi)|reflexivity|].
  unfold p0, s. ring.
Qed.

(* labels kept with the probabilities c: of an accept set, 1 inside and 0 outside *)
Theorem filter_slope c : (forall i, (i < n)%nat -> 0 <= c i) -> 0 < rsum n (fun i => c i * p0 i) ->
  let kept e := normal n (fun i => c i * p e i) in
  let r := normal n (fun i => c i * p0 i) in
  rderiv (fun e => D u (kept e)) (mean n r s) (variance n r s) /\ 0 <= variance n r s /\
  (0 < variance n r s -> exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> mean n r s < D u (kept e)).
Proof.
  intros Hc Hpos kept r.
  assert (H : rderiv (fun e => D u (kept e)) (mean n r s) (variance n r s)).
  { apply (rderiv_ext (fun e => mean n (kept e) s)); [|intros; symmetry; apply alignment_of_law].
    apply (reweighted_slope n (fun i e => c i * p e i) (fun i => c i * p0 i) s s); [|lra].
    intros i Hi. apply law_rderiv, Hi. }
  split; [exact H|]. split.
  - apply variance_nonneg_weights. intros i Hi. apply Rmult_le_pos.
    + apply Rmult_le_pos; [apply Hc, Hi | left; apply exp_pos].
    + left. apply Rinv_0_lt_compat, Hpos.
  - intros Hv. destruct (rderiv_pos (fun e => D u (kept e) - mean n r s) (variance n r s)) as [e0 [He0 H0]].
    + eapply rderiv_eq; [apply rderiv_minus; [exact H | apply rderiv_const] | ring | ring].
    + exact Hv.
    + exists e0. split; [exact He0|]. intros e He. specialize (H0 e He). lra.
Qed.

(* labels kept with a probability in proportion to (p0 / p_e)^lam *)
Theorem thinning_slope lam :
  rderiv (fun e => D u (normal n (fun i => p e i * Rpower (p0 i / p e i) lam))) 0 ((1 - lam) * q).
Proof.
  eapply rderiv_eq.
  - apply (own_reweighted (fun i e => p e i * Rpower (p0 i / p e i) lam) (fun i => (1 - lam) * s i)).
    intros i Hi. apply (rderiv_ext (fun e => exp ((1 - lam) * l i (seg th0 u e) + lam * l i th0))).
    + eapply rderiv_eq.
      * apply rderiv_exp, rderiv_plus; [apply rderiv_scal, (log_law_rderiv u i Hi) | apply rderiv_const].
      * unfold p0. f_equal. ring.
      * replace ((1 - lam) * l i th0 + lam * l i th0) with (l i th0) by ring. unfold p0, s. ring.
    + intros e. unfold p, p0, Rpower, Rdiv.
      rewrite <- (exp_Ropp (l i (seg th0 u e))), <- (exp_plus (l i th0)), ln_exp, <- exp_plus. f_equal. ring.
  - reflexivity.
  - unfold q. rewrite variance_covariance, (covariance_product _ _ _ _ own_sum), own_mean, Rmult_0_r, Rminus_0_r.
    rewrite <- mean_scal. apply mean_ext. intros. ring.
Qed.

(* labels in proportion to the smaller of two probabilities, the init's and the teacher's *)
Theorem minimum_slope :
  let low := fun i => Rmin 0 (s i) in
  rderiv (fun e => rsum n (fun i => Rmin (p0 i) (p e i))) 1 (mean n p0 low) /\
  rderiv (fun e => D u (normal n (fun i => Rmin (p0 i) (p e i)))) 0 (mean n p0 (fun i => low i * low i)).
Proof.
  intros low.
  assert (HW : forall i, (i < n)%nat -> rderiv (fun e => Rmin (p0 i) (p e i)) (p0 i) (p0 i * low i)).
  { intros i Hi. eapply rderiv_eq; [apply rderiv_min, rderiv_exp, (log_law_rderiv u i Hi)|reflexivity|].
    unfold low, s, p0. pose proof (exp_pos (l i th0)). unfold Rmin. repeat destruct Rle_dec; nra. }
  split.
  - eapply rderiv_eq; [apply (rderiv_sum n (fun i e => Rmin (p0 i) (p e i)) p0 _ HW)|apply Hlaw|reflexivity].
  - eapply rderiv_eq; [apply (own_reweighted (fun i e => Rmin (p0 i) (p e i)) low HW) | reflexivity |].
    apply mean_ext. intros i _. unfold low, Rmin. destruct Rle_dec; [ring | nra].
Qed.
End Laws.

(* J b i is the probability of label i and class b: a channel from labels to classes, as shuffling is.  A class
   of probability 0 has no part in any sum. *)
Theorem total_variance m n (J : nat -> vec) (s : vec) :
  (forall b i, (b < m)%nat -> (i < n)%nat -> 0 <= J b i) ->
  let inside b := mean n (normal n (J b)) s in
  rsum m (fun b => mean n (J b) (fun i => s i * s i)) =
  rsum m (fun b => rsum n (J b) * (inside b * inside b)) +
  rsum m (fun b => mean n (J b) (fun i => (s i - inside b) * (s i - inside b))).
Proof.
  intros HJ inside. rewrite <- rsum_plus. apply rsum_ext. intros b Hb.
  rewrite (mean_ext n (J b) (fun i => (s i - inside b) * (s i - inside b))
    (fun i => s i * s i - 2 * inside b * s i + inside b * inside b)) by (intros; ring).
  rewrite mean_plus, mean_minus, mean_scal.
  replace (mean n (J b) (fun _ => inside b * inside b)) with (rsum n (J b) * (inside b * inside b))
    by (unfold mean; rewrite rsum_scal_r; reflexivity).
  assert (E : mean n (J b) s = rsum n (J b) * inside b).
  { unfold inside. rewrite mean_normal. destruct (Req_dec (rsum n (J b)) 0) as [Z|Z].
    - rewrite Z, Rmult_0_l. apply rsum_zero_ext. intros i Hi.
      rewrite (rsum_zero n (J b) (fun j Hj => HJ b j Hb Hj) Z i Hi). ring.
    - unfold mean. field. exact Z. }
  rewrite E. ring.
Qed.
